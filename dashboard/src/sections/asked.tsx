import { useEffect, useState } from 'preact/hooks';
import type { Connection } from '../connection';
import type { Answer } from '../model';

/** What is asked for when the page opens, whenever the connection is back, and on demand. */
export function useAsked<T>(connection: Connection, event: string): { answer: Answer<T> | null; isAsking: boolean; ask: () => void } {
  const [answer, set] = useState<Answer<T> | null>(null);
  const [isAsking, setAsking] = useState(false);
  const ask = () => {
    setAsking(true);
    void connection.ask<T>(event).then((answer) => {
      set(answer);
      setAsking(false);
    });
  };
  const isLive = connection.phase.name === 'live';
  useEffect(() => {
    if (isLive) ask();
  }, [isLive]);
  return { answer, isAsking, ask };
}
