// Stock clients in Node under the control of the integration tests: one JSON object a line, in and out (clients.mjs).
import readline from 'node:readline';
import { io } from 'socket.io-client';
import io2 from 'socket.io-client-2';
import { clients } from './clients.mjs';

const take = clients({ 2: io2, 4: io }, (line) => process.stdout.write(`${JSON.stringify(line)}\n`));

readline.createInterface({ input: process.stdin })
  .on('line', (line) => take(JSON.parse(line)))
  .on('close', () => process.exit(0));
