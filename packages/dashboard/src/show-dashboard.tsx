import { render } from 'preact';
import { App } from './app.tsx';
import { takeTokenFromAddress } from './feed/access-token.ts';
import { showTheme, themeNow } from './theme.ts';

/** Draws the dashboard into `place`, after taking the token out of the address. */
export function showDashboard(place: Element): void {
  takeTokenFromAddress();
  showTheme(themeNow());
  render(<App />, place);
}
