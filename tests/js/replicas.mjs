// Replicas under the control of tests/chaos: one JSON object a line, in and out.
//
//   in   {do: "start", client, …}   a replica, as replica.mjs takes it
//        {do: "heal"}               from now on all behave
//        {do: "status"}             out: {clients: [{client, settled, markers, stats}]}
//        {do: "dump"}               out: {clients: [{client, rooms: [{ids, rows}]}]}
//   out  {ok} or the answer, one a line in; {problem} whenever a promise was broken
import readline from 'node:readline';
import { Replica } from './replica.mjs';

const replicas = new Map();
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const each = (tell) => ({ clients: [...replicas].map(([client, replica]) => ({ client, ...tell(replica) })) });

const commands = {
  start({ client, ...options }) {
    replicas.set(client, new Replica(options, (problem) => say({ problem: `${client}: ${problem}` })));
    return { ok: true };
  },
  heal() {
    for (const replica of replicas.values()) replica.heal();
    return { ok: true };
  },
  status: () => each((replica) => ({
    settled: replica.isSettled(),
    markers: replica.rooms.map((room) => room.marker),
    stats: replica.stats,
    state: replica.state(),
  })),
  dump: () => each((replica) => ({ rooms: replica.rooms.map(({ ids, rows }) => ({ ids, rows: [...rows.values()] })) })),
};

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  say(commands[command.do](command));
}).on('close', () => process.exit(0));
