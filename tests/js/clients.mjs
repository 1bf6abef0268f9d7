// Stock socket.io clients that do what they are ordered: in Node (driver.mjs) and, the same code, in a page (browser.mjs).
//
//   in   {id, client, do: "connect", url, options}      connects; answers with {id, ok: {sid}} or {id, error: message}
//          with `resumes`: and comes back as docs/protocol.md shows; with `version` 2: by that version's client
//        {id, client, do: "emit", event, args}          emits without an ack; answers at once
//        {id, client, do: "request", event, args}       emits with an ack; answers with it
//        {id, client, do: "requests", event, payloads}  many requests at once; answers with all their acks
//        {id, client, do: "disconnect"}
//        {id, client, do: "reconnect"}                  as a page does after `io server disconnect`
//        {id, client, do: "pause"}                      reads nothing any more (websocket) …
//        {id, client, do: "go-on"}                      … until now
//   out  {id, ok} | {id, error}                         the answer to a line
//        {client, event, args}                          what a client was sent; also "connect" [recovered, session],
//                                                       "disconnect" [reason], "upgrade" [transport], and, once it was
//                                                       connected, "connect_error" [message]
// {"$bytes": [1, 2]} anywhere in what is emitted stands for these bytes.

/** What a page keeps, to resume with it. */
class Held {
  /** By the ids that were asked for. */
  rooms = new Map();

  auth(auth) {
    return this.since ? { ...auth, since: this.since, rooms: [...this.rooms.values()] } : auth;
  }

  event(event, payload) {
    if (!event.endsWith(':resync') && payload?.offset) this.since = payload.offset;
  }

  ack(event, ids, ack) {
    if (event.endsWith(':unsubscribe')) this.rooms.delete(JSON.stringify(ids));
    if (!ack.room) return;
    this.rooms.set(JSON.stringify(ids), ack.room);
    this.since ??= ack.offset;
  }
}

function revived(value) {
  if (Array.isArray(value)) return value.map(revived);
  if (value === null || typeof value !== 'object') return value;
  if (value.$bytes) return Uint8Array.from(value.$bytes);
  return Object.fromEntries(Object.entries(value).map(([key, value]) => [key, revived(value)]));
}

/** `io`: the client by its major version; `say`: takes what goes out. Returns what takes the orders. */
export function clients(io, say) {
  const sockets = new Map();
  const held = new Map();

  function connect({ id, client, url, options, resumes, version = 4 }) {
    const keeps = new Held();
    const auth = resumes ? (send) => send(keeps.auth(options.auth)) : options.auth;
    const socket = io[version](url, { forceNew: true, reconnection: false, ...options, auth });
    sockets.set(client, socket);
    held.set(client, keeps);
    let answered = false;
    const answer = (line) => {
      if (!answered) say({ id, ...line });
      answered = true;
    };
    socket.io.on('open', () => {
      socket.io.engine.on('upgrade', ({ name }) => say({ client, event: 'upgrade', args: [name] }));
    });
    socket.on('connect', () => {
      answer({ ok: { sid: socket.id } });
      say({ client, event: 'connect', args: [socket.recovered === true, socket._pid ?? null] });
    });
    socket.on('connect_error', (error) => {
      if (answered) say({ client, event: 'connect_error', args: [error.message] });
      answer({ error: error.message });
    });
    socket.on('disconnect', (reason) => say({ client, event: 'disconnect', args: [reason] }));
    // Version 2 cannot listen to all events.
    socket.onAny?.((event, ...args) => {
      keeps.event(event, args[0]);
      say({ client, event, args });
    });
  }

  const commands = {
    connect,
    emit({ id, client, event, args }) {
      sockets.get(client).emit(event, ...revived(args));
      say({ id, ok: null });
    },
    async request({ id, client, event, args }) {
      try {
        const ack = await sockets.get(client).timeout(20_000).emitWithAck(event, ...revived(args));
        held.get(client).ack(event, args[0], ack);
        say({ id, ok: ack });
      } catch (error) {
        say({ id, error: error.message });
      }
    },
    async requests({ id, client, event, payloads }) {
      try {
        const socket = sockets.get(client).timeout(20_000);
        say({ id, ok: await Promise.all(payloads.map((payload) => socket.emitWithAck(event, payload))) });
      } catch (error) {
        say({ id, error: error.message });
      }
    },
    pause({ id, client }) {
      sockets.get(client).io.engine.transport.ws.pause();
      say({ id, ok: null });
    },
    'go-on': ({ id, client }) => {
      sockets.get(client).io.engine.transport.ws.resume();
      say({ id, ok: null });
    },
    reconnect({ id, client }) {
      sockets.get(client).connect();
      say({ id, ok: null });
    },
    disconnect({ id, client }) {
      sockets.get(client).disconnect();
      say({ id, ok: null });
    },
  };
  return (command) => void commands[command.do](command);
}
