export interface StreamEvent {
  readonly event: string;
  readonly data: string;
}

/** Server-sent events from pieces of text, as the control plane writes them: `event`, one line of `data`, a blank line. */
export class EventReader {
  private rest = '';

  /** Events that are whole now. */
  feed(text: string): StreamEvent[] {
    const blocks = (this.rest + text).split('\n\n');
    this.rest = blocks.pop() ?? '';
    const events: StreamEvent[] = [];
    for (const block of blocks) {
      let event = '';
      let data = '';
      for (const line of block.split('\n')) {
        if (line.startsWith('event: ')) event = line.slice(7);
        else if (line.startsWith('data: ')) data = line.slice(6);
      }
      if (event !== '') events.push({ event, data });
    }
    return events;
  }
}
