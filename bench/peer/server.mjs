// server.mjs URL SLOT PLUGIN SECRET [deflate] : Socket.IO and pg-logical-replication, as a team would put them together.
//
// It does what walcast does for an UPDATE of `components`, and no more: no resume, no row security, no limit on slow clients.
import { createServer } from "node:http";
import jwt from "jsonwebtoken";
import { LogicalReplicationService, PgoutputPlugin, Wal2JsonPlugin } from "pg-logical-replication";
import { Server } from "socket.io";

const [url, slot, plugin, secret, deflate] = process.argv.slice(2);

const http = createServer((request, response) => response.end());
const io = new Server(http, { perMessageDeflate: deflate === "deflate" ? { threshold: 1024 } : false });

io.use((socket, next) => {
  try {
    socket.data.user = jwt.verify(socket.handshake.auth.token, secret).userId;
    next();
  } catch {
    next(new Error("Authentication error: Invalid token"));
  }
});

io.on("connection", (socket) => {
  socket.join(`user:${socket.data.user}`);
  socket.on("component:subscribe", ({ componentId, entityType, entityId }, ack) => {
    const room = componentId ? `component:${componentId}` : `entity:${entityType}:${entityId}`;
    socket.join(room);
    ack?.({ ok: true, room });
  });
});

// How many changes came: what the drain of a backlog is timed by.
let changes = 0;

function tell(before, after, commit) {
  changes += 1;
  const updates = {};
  for (const [column, value] of Object.entries(after)) {
    if (!same(before?.[column], value)) updates[column] = value;
  }
  io.to(`component:${after.id}`)
    .to(`entity:${after.entity_type}:${after.entity_id}`)
    .emit("component:updated", {
      componentId: after.id,
      updates,
      updatedBy: after.updated_by,
      version: after.version,
      timestamp: commit.time,
      offset: `${commit.lsn}-${commit.number++}`,
    });
}

function same(one, other) {
  if (one === other) return true;
  return typeof one === "object" && typeof other === "object" && JSON.stringify(one) === JSON.stringify(other);
}

let commit;
const handlers = {
  pgoutput(lsn, message) {
    if (message.tag === "begin") {
      commit = { lsn: message.commitLsn, time: new Date(Number(message.commitTime / 1000n)).toISOString(), number: 0 };
    } else if (message.tag === "update") {
      tell(message.old ?? message.key, message.new, commit);
    }
  },
  wal2json(lsn, { change, timestamp }) {
    const told = { lsn, time: timestamp, number: 0 };
    for (const { kind, columnnames, columnvalues, oldkeys } of change) {
      if (kind === "update") tell(object(oldkeys.keynames, oldkeys.keyvalues), object(columnnames, columnvalues), told);
    }
  },
};

function object(names, values) {
  return Object.fromEntries(names.map((name, at) => [name, values[at]]));
}

const service = new LogicalReplicationService({ connectionString: url }, { acknowledge: { auto: true, timeoutSeconds: 10 } });
service.on("data", handlers[plugin]);
service.on("error", (error) => {
  console.error("ERROR", error);
  process.exit(1);
});
const decoder =
  plugin === "pgoutput"
    ? new PgoutputPlugin({ protoVersion: 1, publicationNames: ["walcast"] })
    : new Wal2JsonPlugin({ addTables: ["public.components"], includeTimestamp: true });

http.listen(0, "127.0.0.1", () => {
  service.subscribe(decoder, slot);
  service.on("start", () => console.log(`ready 127.0.0.1:${http.address().port}`));
});

// A line on the input is answered with how many changes came.
process.stdin.on("data", () => console.log(`changes ${changes}`));
process.stdin.on("end", () => process.exit(0));
