interface Props {
  name: string;
  colour: string;
  isSmall?: boolean;
  says?: string;
}

/** Somebody's face: the first letter of their name. */
export function Avatar({ name, colour, isSmall, says = '' }: Props) {
  const told = `${name} ${says}`.trim();
  return (
    <span class={isSmall ? 'avatar small' : 'avatar'} style={{ '--person': colour }} role="img" aria-label={told} title={told}>
      {[...name][0]?.toUpperCase()}
    </span>
  );
}
