import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server as TcpServer, Socket } from 'node:net';
import { Frames } from './frames.js';

const HEAD_ENDS = '\r\n\r\n';

/** A TCP proxy in front of walcast, which does what networks do. */
export class Proxy {
  /** What is refused with 403: requests whose path begins so, by the first of each connection. */
  blocked: string | undefined;
  /** Nothing reaches the server, or nothing the client. Neither notices. */
  swallows: 'none' | 'answers' | 'all' = 'none';
  /** WebSockets are closed as soon as the server has agreed to them. */
  hangsUp = false;
  /** Connections are closed as soon as they are made. */
  down = false;
  /** The first lines of the requests that came, one a connection. */
  readonly requests: string[] = [];
  /** The events that clients said over WebSockets. */
  readonly said: string[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly servers = new Set<Socket>();

  private constructor(private readonly server: TcpServer, public target: number) {
    server.on('connection', (client: Socket) => this.serve(client));
  }

  static async start(target: number): Promise<Proxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Proxy(server, target);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Breaks all connections that there are. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  /** What servers answer waits until it is let go. */
  hold(isHeld: boolean): void {
    for (const socket of this.servers) socket[isHeld ? 'pause' : 'resume']();
  }

  async stop(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  private serve(client: Socket): void {
    if (this.down) return void client.destroy();
    this.track(client);
    client.once('data', (first: Buffer) => {
      const line = first.toString('latin1').split('\r\n')[0]!;
      this.requests.push(line);
      if (this.blocked && line.split(' ')[1]!.startsWith(this.blocked)) {
        return void client.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      }
      const server = connect(this.target, '127.0.0.1');
      this.track(server);
      this.servers.add(server);
      server.write(first);
      const frames = new Frames();
      client.on('data', (data: Buffer) => {
        for (const text of frames.take(data)) this.said.push(/^\d+\["([^"]+)"/.exec(text)?.[1] ?? '');
      });
      client.on('data', (data: Buffer) => this.swallows === 'all' || server.write(data));
      server.on('data', (data: Buffer) => {
        if (this.hangsUp && data.includes(' 101 ')) return void client.end(data.subarray(0, data.indexOf(HEAD_ENDS) + HEAD_ENDS.length));
        if (this.swallows === 'none') client.write(data);
      });
      client.on('close', () => server.destroy());
      server.on('close', () => {
        this.servers.delete(server);
        client.destroy();
      });
    });
  }

  private track(socket: Socket): void {
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => this.sockets.delete(socket));
  }
}
