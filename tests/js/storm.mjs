// Many stock clients that all upgrade from polling while events are published, for tests/it/upgrade_storm.rs: each event is
// checked here, so that not every one has to cross the pipe.
//
//   argument  {url, token, clients, ids, count}   `ids`: of the component; its `version` counts the events from 1 to `count`
//   out       {heard}               the version that one client, over a WebSocket from the first, has heard of just now
//             {step: "subscribed"}  a client is subscribed, …
//             {step: "upgraded"}    … and has gone over to its WebSocket
//             {all}                 everybody has heard version `count`; the next one ends it
//             {done: {polled, late, problems}}  how many subscribed while they polled, how many heard events before they
//                                   went over, and whatever was not exactly as promised
import { NodeWebSocket, NodeXHR } from 'engine.io-client';
import { io } from 'socket.io-client';

const { url, token, clients, ids, count } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const problems = [];
const problem = (text) => problems.length < 20 && problems.push(text);

/** The stock transports, but that the upgrade begins with the first event. Else most go over before they are in the namespace. */
function lateUpgrade(begun) {
  return [NodeXHR, class extends NodeWebSocket {
    async doOpen() {
      await begun;
      super.doOpen();
    }
  }];
}

class Listener {
  offset = null;
  /** Of each event that came: its version and its offset. */
  heard = [];
  polled = false;
  upgraded = false;
  heardPolling = 0;

  constructor(name, transports, isThere) {
    this.name = name;
    const begun = new Promise((begin) => (this.begin = begin));
    if (transports === 'late') transports = lateUpgrade(begun);
    this.socket = io(url, { forceNew: true, reconnection: false, transports, auth: { token } });
    this.socket.on('connect_error', (error) => problem(`${name}: ${error.message}`));
    this.socket.on('disconnect', (reason) => problem(`${name}: disconnected, ${reason}`));
    this.socket.on('component:updated', (payload) => this.take(payload));
    this.socket.io.on('open', () => {
      this.socket.io.engine.on('upgrade', () => {
        this.upgraded = true;
        say({ step: 'upgraded' });
        finish();
      });
    });
    this.socket.on('connect', () => {
      this.polled = this.isPolling();
      this.socket.emit('component:subscribe', ids, (ack) => {
        if (!ack.ok) problem(`${name}: ${JSON.stringify(ack)}`);
        if (this.heard.length) problem(`${name}: ${this.heard.length} events came before the ack`);
        this.offset = ack.offset;
        isThere();
      });
    });
  }

  isPolling() {
    return this.socket.io.engine.transport.name === 'polling';
  }

  take({ offset, updates: { version } }) {
    const last = this.heard.at(-1);
    if (last && (version !== last.version + 1 || offset <= last.offset)) {
      problem(`${this.name}: version ${version} at ${offset} came after ${last.version} at ${last.offset}`);
    }
    this.heard.push({ version, offset });
    this.begin();
    if (this.name === 'watcher') say({ heard: version });
    if (this.isPolling()) this.heardPolling += 1;
    if (version === count) finish();
    if (version === count + 1) end();
  }

  isWhole() {
    return this.heard.at(-1)?.version === count;
  }

  /** What it was to hear is everything after the offset of its ack. */
  check(all) {
    const due = all.filter(({ offset }) => offset > this.offset);
    if (this.heard.length !== due.length || this.heard[0]?.offset !== due[0]?.offset) {
      problem(`${this.name}: after ${this.offset} ${this.heard.length} events came from ${this.heard[0]?.offset} on, and `
        + `${due.length} were due from ${due[0]?.offset} on`);
    }
    if (this.heard.some(({ offset }, at) => offset !== due[at]?.offset)) problem(`${this.name}: not the events that were due`);
  }
}

const crowd = [];
const watcher = new Listener('watcher', ['websocket'], () => {
  for (let n = 0; n < clients; n += 1) {
    crowd.push(new Listener(`client ${n}`, n % 4 ? 'late' : ['polling', 'websocket'], () => say({ step: 'subscribed' })));
  }
});

let isOver = false;
function finish() {
  const everybody = [watcher, ...crowd];
  if (isOver || crowd.length < clients || !everybody.every((one) => one.isWhole()) || !crowd.every((one) => one.upgraded)) return;
  isOver = true;
  say({ all: true });
}

let ended = 0;
function end() {
  ended += 1;
  if (ended < clients + 1) return;
  if (watcher.heard.length !== count + 1) problem(`the watcher heard ${watcher.heard.length} of ${count + 1} events`);
  for (const one of crowd) one.check(watcher.heard);
  const polled = crowd.filter((one) => one.polled).length;
  const late = crowd.filter((one) => one.heardPolling > 0).length;
  process.stdout.write(`${JSON.stringify({ done: { polled, late, problems } })}\n`, () => process.exit(0));
}
