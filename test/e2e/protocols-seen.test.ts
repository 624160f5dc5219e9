/** What metrics say of each hop while calls are under way: which protocol it speaks, streams open, waits for a window. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, constants, createServer } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, Http2Server, ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { startMesh } from '@weft/mesh-test';
import type { TestMesh } from '@weft/mesh-test';
import { eventually } from '@weft/testkit';

/** More than every window on the way takes, and less than what Node lets one session hold (10 MB). */
const LARGE = 6 << 20;
const WAIT_MS = 30_000;

describe('the metrics of both sidecars of a call', { timeout: 120_000 }, () => {
  let application: Http2Server;
  let held: ServerHttp2Stream[];
  let mesh: TestMesh;
  let session: ClientHttp2Session;

  before(async () => {
    held = [];
    application = createServer();
    application.on('stream', (opened, headers) => {
      const stream = opened as ServerHttp2Stream;
      stream.on('error', () => {});
      // An upload is not read; a download has more than every window.
      if (headers[':method'] === 'POST') held.push(stream);
      else {
        stream.respond({ ':status': 200 });
        stream.end(Buffer.alloc(LARGE));
      }
    });
    application.listen(0, '127.0.0.1');
    await once(application, 'listening');
    const { port } = application.address() as AddressInfo;
    mesh = await startMesh({
      services: {
        web: {},
        files: { port, appProtocol: 'kubernetes.io/h2c' },
        pages: { handler: (_request, response) => void response.end('a page') },
      },
    });
    session = connect(`http://127.0.0.1:${mesh.proxy('web').outboundPort}`);
    // The sidecar has spoken HTTP/2 with it: it is counted.
    await once(session, 'remoteSettings');
  });
  after(async () => {
    session.destroy();
    for (const stream of held) stream.destroy();
    application.close();
    await mesh.stop();
  });

  /** The value of a series, 0 when there is none. */
  async function metric(service: string, series: string): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${mesh.proxy(service).metricsPort}/metrics`);
    const line = (await answer.text()).split('\n').find((each) => each.startsWith(`${series} `));
    return line === undefined ? 0 : Number(line.slice(series.length + 1));
  }

  const ask = (method: string, path: string, authority: string): ClientHttp2Stream => {
    const stream = session.request(
      { ':method': method, ':path': path, ':authority': authority },
      { endStream: method === 'GET' },
    );
    stream.on('error', () => {});
    return stream;
  };

  it('say that an HTTP/1.1 application is reached over HTTP/2 between sidecars and HTTP/1.1 behind them', async () => {
    assert.equal(await (await mesh.fetch('web', 'http://pages/')).text(), 'a page');
    assert.equal(await metric('web', 'weft_downstream_connections_open{caller="local",protocol="http/2"}'), 1);
    assert.equal(
      await metric('web', 'weft_upstream_connections_open{destination="default/pages:80",protocol="http/2"}'),
      1,
    );
    assert.equal(await metric('pages', 'weft_downstream_connections_open{caller="mesh",protocol="http/2"}'), 1);
    const behind = 'weft_upstream_connections_open{destination="default/pages:';
    const text = await (await fetch(`http://127.0.0.1:${mesh.proxy('pages').metricsPort}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(behind));
    assert.ok(
      lines.some((line) => line.endsWith('protocol="http/1.1"} 1')),
      lines.join('\n'),
    );
  });

  it('count the streams of calls under way, and who is waited for', async () => {
    const download = ask('GET', '/large', 'files');
    download.pause();
    await once(download, 'response');
    const stalls = 'weft_downstream_flow_control_stalls_total{caller="local"}';
    await eventually(async () => (await metric('web', stalls)) >= 1, WAIT_MS);
    assert.equal(await metric('web', 'weft_downstream_streams_open{caller="local"}'), 1);
    assert.equal(await metric('web', 'weft_upstream_streams_open{destination="default/files:80"}'), 1);
    assert.equal(await metric('files', 'weft_downstream_streams_open{caller="mesh"}'), 1);

    const upload = ask('POST', '/upload', 'files');
    upload.end(Buffer.alloc(LARGE));
    const waits = 'weft_upstream_flow_control_stalls_total{destination="default/files:80"}';
    await eventually(async () => (await metric('web', waits)) >= 1, WAIT_MS);
    assert.equal(await metric('web', 'weft_upstream_streams_open{destination="default/files:80"}'), 2);

    upload.close(constants.NGHTTP2_CANCEL);
    let bytes = 0;
    download.on('data', (chunk: Buffer) => void (bytes += chunk.length));
    download.resume();
    await once(download, 'end');
    assert.equal(bytes, LARGE);
    await eventually(
      async () => (await metric('web', 'weft_upstream_streams_open{destination="default/files:80"}')) === 0,
      WAIT_MS,
    );
  });
});
