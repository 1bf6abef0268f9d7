// A replica: what a page holds of some rooms, built from nothing but its events and, where it must, from a fetch. It is
// what docs/resume.md asks of a frontend, with every promise of the server checked on the way.
import { io } from 'socket.io-client';
import { Room, epoch, isNewer } from './room.mjs';

/** The server may take this long to keep a promise. */
const PATIENCE_MS = 20_000;

export class Replica {
  /**
   * resume   'rooms': `since` in each subscription; 'handshake': all rooms in one step; 'never': fetches each time;
   *          'recovery': the library does it
   * restless reconnects by itself after so many events, in turn with a goodbye and without one
   * slow     stops reading most of the time
   * mustResume  the server knows the handshake's `since`
   */
  constructor({ url, token, transports, resume, rooms, fetchUrl, restless = 0, slow = false, mustResume }, problem) {
    this.upgrades = transports.length > 1;
    Object.assign(this, { token, resume, fetchUrl, restless, mustResume, problem });
    this.rooms = rooms.map((ids) => new Room(ids));
    this.stats = { connections: 0, events: 0, resumed: 0, refused: 0, resyncs: 0, fetches: 0 };
    this.connection = null;
    this.socket = io(url, {
      forceNew: true, transports, reconnectionDelay: 50, reconnectionDelayMax: 500, auth: (give) => give(this.enter()),
    });
    this.socket.on('connect', () => this.join());
    this.socket.on('disconnect', (reason) => {
      // After this one a stock client stays away unless it is told to come back.
      if (reason === 'io server disconnect') setTimeout(() => this.socket.connect(), 50);
    });
    this.socket.on('connect_error', (error) => {
      if (error.message.startsWith('Authentication')) this.problem(error.message);
      if (!this.socket.active) setTimeout(() => this.socket.connect(), 200);
    });
    this.socket.onAny((event, payload) => this.take(event, payload));
    if (slow) this.slowness = setInterval(() => this.breathe(), 400);
  }

  /** A connection begins. Returns what its handshake says. */
  enter() {
    if (this.resume === 'recovery') return this.enterAgain();
    for (const room of this.rooms) {
      room.joined = false;
      room.replays = null;
      // A fetch that is under way belongs to events that this connection does not bring.
      if (room.isFetching() || this.resume === 'never') room.forget();
    }
    const first = this.rooms.find((room) => room.offset !== null);
    // A connection that was lost between two of its resyncs leaves rooms in two histories, of which one offset cannot say.
    for (const room of this.rooms) {
      if (room.offset !== null && epoch(room.offset) !== epoch(first.offset)) room.forget();
    }
    const whole = this.rooms.filter((room) => room.offset !== null);
    // One `since` for all: the rooms may share events, and what is older than a room's own offset it drops.
    const since = whole.map((room) => room.offset).reduce((a, b) => (a === null || isNewer(a, b) ? b : a), null);
    const handshake = this.resume === 'handshake' && since !== null ? whole : [];
    this.connection = { since, handshake, seen: new Set(), high: null, replays: handshake.length ? 1 : 0 };
    this.stats.connections += 1;
    const auth = { token: this.token, recovery: false };
    return handshake.length ? { ...auth, since, rooms: handshake.map((room) => room.name) } : auth;
  }

  /** The library comes back by its session, with the offset of the last event that it was sent. */
  enterAgain() {
    for (const room of this.rooms) {
      room.held ||= room.joined;
      room.joined = false;
    }
    this.connection = { since: this.socket._lastOffset ?? null, handshake: [], seen: new Set(), high: null, replays: 0 };
    this.stats.connections += 1;
    return { token: this.token };
  }

  /** Recovered, it is in all rooms whose acks it has had, as if nothing had been; else it begins anew. */
  recover() {
    const { recovered } = this.socket;
    if (this.stats.connections > 1) this.stats[recovered ? 'resumed' : 'refused'] += 1;
    if (!recovered) this.connection.since = null;
    for (const room of this.rooms) {
      room.joined = recovered && room.held;
      room.held = false;
      if (!room.joined) {
        room.forget();
        this.subscribe(room);
      } else if (room.isFetching()) {
        this.fetch(room, room.offset);
      }
    }
  }

  join() {
    if (this.resume === 'recovery') return this.recover();
    const { handshake } = this.connection;
    for (const room of this.rooms) if (!handshake.includes(room)) this.subscribe(room);
    if (handshake.length && this.mustResume) this.promised('walcast:resumed', () => this.connection.replays === 0);
    if (handshake.length && !this.mustResume) this.fallBack();
  }

  /** A server that does not know the handshake's `since` is asked room by room. */
  fallBack() {
    const { connection } = this;
    setTimeout(() => {
      if (this.connection !== connection || connection.replays === 0) return;
      this.resume = 'rooms';
      this.socket.disconnect();
      this.socket.connect();
    }, 2_000);
  }

  /** Complains if what the server owes has not come in time, on the same connection. */
  promised(what, isKept) {
    const { connection } = this;
    setTimeout(() => {
      if (this.connection === connection && this.socket.connected && !isKept()) this.unanswered(`${what} did not come`);
    }, PATIENCE_MS);
  }

  /**
   * An upgrade that the network cuts off halfway leaves the library's session between two transports, and it answers
   * nothing more (a known fault of socketioxide). A page would reconnect after so long, and so does this one.
   */
  unanswered(what) {
    if (!this.upgrades) return this.problem(what);
    this.stats.stuck = (this.stats.stuck ?? 0) + 1;
    this.socket.disconnect();
    this.socket.connect();
  }

  subscribe(room) {
    const { connection } = this;
    const since = room.offset === null ? undefined : connection.since;
    if (since) {
      connection.replays += 1;
      room.awaitReplays();
    }
    this.socket.timeout(PATIENCE_MS).emit('component:subscribe', { ...room.ids, since }, (error, ack) => {
      if (this.connection !== connection || !this.socket.connected) return;
      if (since) connection.replays -= 1;
      if (error) return this.unanswered(`${room.name}: no ack: ${error.message}`);
      if (!ack.ok) {
        if (ack.error.code === 'unavailable') setTimeout(() => this.connection === connection && this.subscribe(room), 200);
        else this.problem(`${room.name}: ${JSON.stringify(ack)}`);
        return;
      }
      if (!since) {
        room.joined = true;
        this.fetch(room, ack.offset);
      } else if (ack.resumed) {
        this.stats.resumed += 1;
        room.join(ack.offset, this.problem);
      } else {
        this.stats.refused += 1;
        room.forget();
        room.joined = true;
        const { resyncs } = room;
        this.promised(`${room.name}: resync after resumed: false`, () => room.resyncs > resyncs);
      }
    });
  }

  take(event, payload) {
    if (event === 'walcast:resumed') return this.resumed(payload);
    if (event === 'walcast:position') return this.mark(payload.offset);
    if (event === 'component:resync') return this.resync(payload);
    if (event === 'component:error') return this.problem(JSON.stringify(payload));
    if (!payload?.offset) return;
    this.stats.events += 1;
    this.check(event, payload.offset);
    for (const room of this.rooms) room.take(event, payload, this.problem);
    this.mark(payload.offset);
    if (this.restless && this.stats.events % this.restless === 0) this.reconnect();
  }

  /** On one connection nothing comes twice, nothing that `since` covers, and, replays apart, nothing out of order. */
  check(event, offset) {
    const { connection } = this;
    const told = `${event} ${offset} on ${this.socket.io.engine?.transport?.name}`;
    if (connection.seen.has(offset)) this.problem(`twice: ${told}`);
    connection.seen.add(offset);
    if (connection.since !== null && !isNewer(offset, connection.since)) {
      this.problem(`since ${connection.since} covers ${told}`);
    }
    const inOrder = connection.high === null || isNewer(offset, connection.high);
    const isReplay = connection.replays > 0 && connection.handshake.length === 0;
    if (!inOrder && !isReplay) this.problem(`step back from ${connection.high}: ${told}`);
    if (inOrder) connection.high = offset;
  }

  /** A connection brings its rooms' events in one order, so one of them says of all rooms joined how far they are. */
  mark(offset) {
    if (this.connection.replays === 0) for (const room of this.rooms) if (room.joined) room.mark(offset);
  }

  resumed({ offset, resumed }) {
    const { connection } = this;
    connection.replays = 0;
    for (const room of connection.handshake) room.joined = true;
    this.stats[resumed ? 'resumed' : 'refused'] += 1;
    // Otherwise the rooms that were refused are told by resync, and which they are is not known before.
    if (resumed) this.mark(offset);
  }

  /** Its offset says nothing of other rooms: theirs may be still to come. */
  resync(payload) {
    this.stats.resyncs += 1;
    for (const room of this.rooms) {
      if (room.isMeantBy(payload)) {
        room.resyncs += 1;
        this.fetch(room, payload.offset ?? room.offset);
      }
    }
  }

  async fetch(room, offset) {
    const { connection } = this;
    const ticket = room.expect(offset);
    while (this.connection === connection && room.ticket === ticket) {
      try {
        const response = await fetch(`${this.fetchUrl}?${new URLSearchParams(room.ids)}`);
        if (!response.ok) throw new Error(await response.text());
        const rows = await response.json();
        if (this.connection === connection && room.ticket === ticket) {
          this.stats.fetches += 1;
          room.fill(rows, this.problem);
        }
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  reconnect() {
    this.rudely = !this.rudely;
    setImmediate(() => {
      if (this.rudely) return this.socket.io.engine.close();
      this.socket.disconnect();
      this.socket.connect();
    });
  }

  breathe() {
    const ws = this.socket.io.engine?.transport?.ws;
    if (ws?.readyState !== 1) return;
    ws.pause();
    setTimeout(() => ws.resume(), 350);
  }

  /** From now on it behaves. */
  heal() {
    this.restless = 0;
    clearInterval(this.slowness);
  }

  /** For whoever looks for what went wrong. */
  state() {
    const { socket, connection } = this;
    const rooms = this.rooms.map(({ name, joined, offset, marker, early, replays }) => (
      [name, joined ? 'joined' : 'out', offset, marker, early?.length, replays?.length].join(' ')));
    const { name, polling, writable } = socket.io.engine?.transport ?? {};
    return { sid: socket.id, name, polling, writable, replays: connection?.replays, high: connection?.high, rooms };
  }

  isSettled() {
    const whole = (room) => room.joined && !room.isFetching() && room.offset !== null;
    return this.socket.connected && this.connection.replays === 0 && this.rooms.every(whole);
  }
}
