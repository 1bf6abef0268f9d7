import { ask } from './ask';

const NAMES = [
  'Ada', 'Amir', 'Bela', 'Chidi', 'Dana', 'Emil', 'Esther', 'Farid', 'Greta', 'Hugo', 'Ines', 'Jonas', 'Kaya', 'Lena', 'Malik',
  'Mina', 'Nils', 'Olga', 'Pablo', 'Quinn', 'Rosa', 'Sami', 'Tilda', 'Umar', 'Vera', 'Wanda', 'Yuki', 'Zoe',
];
/** White is read on each of them. */
const COLOURS = ['#0f766e', '#7c3aed', '#be185d', '#1d4ed8', '#b45309', '#15803d', '#b91c1c', '#0369a1'];
const KEY = 'walcast-demo-name';

/** Who sits here: as the address says (`?as=Ada`), as before in this tab, or somebody new. */
export function myName(): string {
  const asked = new URLSearchParams(location.search).get('as')?.trim();
  const name = asked || sessionStorage.getItem(KEY) || freeName([]);
  sessionStorage.setItem(KEY, name);
  return name;
}

/** A name that none of these has. */
export function freeName(taken: string[]): string {
  const free = NAMES.filter((name) => !taken.includes(name));
  const among = free.length ? free : NAMES;
  return among[Math.floor(Math.random() * among.length)]!;
}

export async function tokenFor(name: string): Promise<string> {
  const { token } = await ask<{ token: string }>('/demo/token', { name });
  return token;
}

/** A colour that nobody has yet, if there is one: the same for the same name and company. */
export function freeColour(name: string, taken: unknown[]): string {
  const start = [...name].reduce((sum, letter) => sum + letter.codePointAt(0)!, 0);
  const inTurn = COLOURS.map((_, step) => COLOURS[(start + step) % COLOURS.length]!);
  return inTurn.find((colour) => !taken.includes(colour)) ?? inTurn[0]!;
}
