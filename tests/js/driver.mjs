// Stock clients in Node under the control of the integration tests: one JSON object a line, in and out (clients.mjs).
import readline from 'node:readline';
import { io } from 'socket.io-client';
import { clients } from './clients.mjs';

const take = clients({ 4: io }, (line) => process.stdout.write(`${JSON.stringify(line)}\n`));

readline.createInterface({ input: process.stdin })
  .on('line', (line) => take(JSON.parse(line)))
  .on('close', () => process.exit(0));
