import http from 'node:http';

const TIMEOUT_MS = 5_000;

/** One request to a loopback port on a connection of its own. Rejects when there is no whole answer in 5 s. */
export function ask(
  port: number,
  path: string,
  options: { method?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<{ status: number; headers: http.IncomingHttpHeaders; text: string }> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', body, headers = {} } = options;
    const request = http.request(
      { host: '127.0.0.1', port, path, method, headers, agent: false, timeout: TIMEOUT_MS },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
        response.on('error', reject);
      },
    );
    request.on('timeout', () => request.destroy(new Error(`port ${port} does not answer`)));
    request.on('error', reject);
    request.end(body);
  });
}

/** What a loopback port says about itself. The caller names the shape; the programs asked are the demo's own. */
export async function askJson<T>(port: number, path: string, body?: unknown): Promise<T> {
  const options = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const { status, text } = await ask(port, path, options);
  if (status !== 200) throw new Error(`${path} answered ${status}: ${text.trim()}`);
  return JSON.parse(text) as T;
}
