// Stock socket.io clients under the control of the integration tests: one JSON object a line, in and out.
//
//   in   {id, client, do: "connect", url, options}      connects; answers with {id, ok: {sid}} or {id, error: message}
//        {id, client, do: "emit", event, args}          emits without an ack; answers at once
//        {id, client, do: "request", event, args}       emits with an ack; answers with it
//        {id, client, do: "requests", event, payloads}  many requests at once; answers with all their acks
//        {id, client, do: "disconnect"}
//        {id, client, do: "reconnect"}                  as a page does after `io server disconnect`
//        {id, client, do: "pause"}                      reads nothing any more (websocket) …
//        {id, client, do: "go-on"}                      … until now
//   out  {id, ok} | {id, error}                         the answer to a line
//        {client, event, args}                          what a client was sent; also "disconnect" [reason]
import readline from 'node:readline';
import { io } from 'socket.io-client';

const clients = new Map();
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

function connect({ id, client, url, options }) {
  const socket = io(url, { forceNew: true, reconnection: false, ...options });
  clients.set(client, socket);
  let answered = false;
  const answer = (line) => {
    if (!answered) say({ id, ...line });
    answered = true;
  };
  socket.on('connect', () => {
    answer({ ok: { sid: socket.id } });
    say({ client, event: 'connect', args: [] });
  });
  socket.on('connect_error', (error) => answer({ error: error.message }));
  socket.on('disconnect', (reason) => say({ client, event: 'disconnect', args: [reason] }));
  socket.onAny((event, ...args) => say({ client, event, args }));
}

const commands = {
  connect,
  emit({ id, client, event, args }) {
    clients.get(client).emit(event, ...args);
    say({ id, ok: null });
  },
  async request({ id, client, event, args }) {
    try {
      say({ id, ok: await clients.get(client).timeout(20_000).emitWithAck(event, ...args) });
    } catch (error) {
      say({ id, error: error.message });
    }
  },
  async requests({ id, client, event, payloads }) {
    try {
      const socket = clients.get(client).timeout(20_000);
      say({ id, ok: await Promise.all(payloads.map((payload) => socket.emitWithAck(event, payload))) });
    } catch (error) {
      say({ id, error: error.message });
    }
  },
  pause({ id, client }) {
    clients.get(client).io.engine.transport.ws.pause();
    say({ id, ok: null });
  },
  'go-on': ({ id, client }) => {
    clients.get(client).io.engine.transport.ws.resume();
    say({ id, ok: null });
  },
  reconnect({ id, client }) {
    clients.get(client).connect();
    say({ id, ok: null });
  },
  disconnect({ id, client }) {
    clients.get(client).disconnect();
    say({ id, ok: null });
  },
};

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  commands[command.do](command);
}).on('close', () => process.exit(0));
