/** What functions that are sent into the page find there: as much of the DOM as they use. The project is checked without it. */
export interface PageElement {
  readonly textContent: string | null;
  readonly scrollWidth: number;
  readonly clientWidth: number;
  readonly dataset: Readonly<Record<string, string | undefined>>;
  getAttribute(name: string): string | null;
}

export interface PageDocument {
  readonly documentElement: PageElement;
  readonly activeElement: PageElement | null;
  querySelector(selector: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageElement> & { readonly length: number };
}

export interface PageLocation {
  readonly href: string;
  readonly pathname: string;
}

export interface PageHistory {
  pushState(state: null, title: string, href: string): void;
}

export interface PageWindow {
  dispatchEvent(event: Event): boolean;
}
