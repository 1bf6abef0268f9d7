// Many stock clients of fewer users who come into a room, leave it, and die, for tests/it/presence.rs. Each keeps who is there
// from what it is told alone; at the end all must agree with what is true.
//
//   argument  {url, tokens, ids, clients, seconds, seed}   `tokens`: by user
//   out       {changes, clients, users, problems}          once everybody agrees, or after a minute
import { io } from 'socket.io-client';

const { url, tokens, ids, clients, seconds, seed } = JSON.parse(process.argv[2]);
const users = Object.keys(tokens);
const problems = [];
const problem = (text) => problems.length < 20 && problems.push(text);

/** mulberry32: the same numbers for the same seed. */
function numbers(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
const random = numbers(seed);
const pick = (list) => list[Math.floor(random() * list.length)];

class Guest {
  /** The users that it believes to be there; `null`: it is not there itself. */
  roster = null;

  constructor(user) {
    this.user = user;
  }

  async connect() {
    this.socket = io(url, { forceNew: true, reconnection: false, transports: ['websocket'], auth: { token: tokens[this.user] } });
    this.socket.on('component:user-joined', ({ userId }) => this.roster?.add(userId));
    this.socket.on('component:user-left', ({ userId }) => this.roster?.delete(userId));
    this.socket.on('presence:roster', ({ users }) => (this.roster = this.roster && new Set(users.map(({ id }) => id))));
    this.socket.on('connect_error', (error) => problem(`${this.user}: ${error.message}`));
    await new Promise((connected) => this.socket.once('connect', connected));
  }

  async enter() {
    if (!this.socket?.connected) await this.connect();
    // Not awaited: what comes right behind the ack would come before it is taken up.
    await new Promise((entered) => {
      this.socket.emit('component:subscribe', ids, (ack) => {
        if (!ack.ok) return problem(`${this.user}: ${JSON.stringify(ack)}`);
        if (ack.count !== ack.users.length) problem(`${ack.users.length} users are named of ${ack.count}`);
        this.roster = new Set(ack.users.map(({ id }) => id));
        entered();
      });
    });
    if (!this.roster.has(this.user)) problem(`${this.user} is in the room, and is not named`);
  }

  async leave() {
    this.roster = null;
    await this.socket.timeout(20_000).emitWithAck('component:unsubscribe', ids);
  }

  /** As a page that is closed. */
  close() {
    this.roster = null;
    this.socket.disconnect();
  }

  /** As a machine that loses its network. */
  die() {
    this.roster = null;
    this.socket.io.engine.transport.ws.terminate();
    this.socket.close();
  }
}

const guests = Array.from({ length: clients }, (_, n) => new Guest(users[n % users.length]));
let changes = 0;
const end = Date.now() + seconds * 1_000;
// One step at a time of each guest, many guests at once.
await Promise.all(
  Array.from({ length: 50 }, async (_, worker) => {
    const own = guests.filter((_, n) => n % 50 === worker);
    while (Date.now() < end) {
      const guest = pick(own);
      if (!guest.roster) await guest.enter();
      else {
        const way = pick(['leave', 'close', 'die']);
        await guest[way]();
      }
      changes += 1;
      await new Promise((next) => setTimeout(next, random() * 50));
    }
  }),
);

const present = guests.filter((guest) => guest.roster);
const truth = [...new Set(present.map((guest) => guest.user))].sort().join();
const disagree = () => present.filter((guest) => [...guest.roster].sort().join() !== truth);
const patience = Date.now() + 60_000;
while (disagree().length > 0 && Date.now() < patience) await new Promise((next) => setTimeout(next, 50));
for (const guest of disagree()) {
  const there = truth.split(',');
  const missing = there.filter((user) => !guest.roster.has(user));
  const wrong = [...guest.roster].filter((user) => !there.includes(user));
  problem(`${guest.user} misses ${missing} and believes in ${wrong}`);
}
process.stdout.write(`${JSON.stringify({ changes, clients: present.length, users: truth.split(',').length, problems })}\n`);
process.exit(0);
