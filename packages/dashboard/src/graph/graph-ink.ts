/** Colours and letters, as the style sheet has them for this theme. */
export interface Ink {
  readonly font: string;
  readonly panel: string;
  readonly ground: string;
  readonly raised: string;
  readonly line: string;
  readonly ink: string;
  readonly soft: string;
  readonly accent: string;
  readonly blue: string;
  readonly edge: string;
  readonly good: string;
  readonly warn: string;
  readonly bad: string;
  readonly badBox: string;
}

export function readInk(place: Element): Ink {
  const style = getComputedStyle(place);
  const read = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    font: style.fontFamily,
    panel: read('panel'),
    ground: read('bg'),
    raised: read('raised'),
    line: read('line-strong'),
    ink: read('ink'),
    soft: read('soft'),
    accent: read('accent'),
    blue: read('blue'),
    edge: read('edge'),
    good: read('good'),
    warn: read('warn'),
    bad: read('bad'),
    badBox: read('bad-box'),
  };
}
