import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const client = fileURLToPath(new URL('../..', import.meta.url));

/** Runs a tool to its end; whatever it said is in `said`. */
export function run(tool: string, args: string[], { input = '', env = {}, cwd = client } = {}): Promise<{ code: number; said: string }> {
  return new Promise((resolve, reject) => {
    const child = execFile(tool, args, { cwd, env: { ...process.env, ...env } }, (error, out, err) => {
      if (error && typeof error.code !== 'number') reject(error);
      else resolve({ code: Number(error?.code ?? 0), said: out + err });
    });
    child.stdin!.end(input);
  });
}
