const KEY = 'weft-token';

/** Of this tab, until it is closed. */
export function accessToken(): string {
  return sessionStorage.getItem(KEY) ?? '';
}

export function keepToken(token: string): void {
  sessionStorage.setItem(KEY, token);
}

/** Takes the token out of `#token=…`, so that it stays in no history and no copied address. */
export function takeTokenFromAddress(): void {
  const token = /^#token=([\w-]{1,128})$/.exec(location.hash)?.[1];
  if (token === undefined) return;
  keepToken(token);
  history.replaceState(null, '', location.pathname + location.search);
}
