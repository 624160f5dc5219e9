/** How a listener or a service is reached: what a redirect without scheme and port of its own means. */
export interface Origin {
  readonly scheme: 'http' | 'https';
  readonly port: number;
}
