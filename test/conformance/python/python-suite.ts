/** A client made of Python's h2, which checks every frame it gets, against the inbound side of a sidecar. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPlainTarget } from '../h2spec/proxy-targets.ts';
import { Tally } from '../tally.ts';
import { runTool } from '../tool-run.ts';
import { lacking, pythonWith } from '../tool-shed.ts';

const RUN_MS = 120_000;

/** Cases print `pass <name>` or `fail <name>: <why>`. */
const PROGRAM = `
import hashlib, os, socket, sys
import h2.config, h2.connection, h2.events, h2.settings

class Client:
    def __init__(self, port, settings=None):
        self.socket = socket.create_connection(('127.0.0.1', port), timeout=20)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding='utf-8'))
        self.h2.initiate_connection()
        if settings: self.h2.update_settings(settings)
        self.answers, self.waiting = {}, {}
    def ask(self, method, path, body=b'', fields=(), trailers=()):
        stream = self.h2.get_next_available_stream_id()
        head = [(':method', method), (':scheme', 'http'), (':authority', 'orders'), (':path', path), *fields]
        self.h2.send_headers(stream, head, end_stream=not body and not trailers)
        self.answers[stream] = {'body': b'', 'status': None, 'trailers': None, 'ended': False, 'reset': None}
        if body or trailers: self.waiting[stream] = [body, list(trailers)]
        return stream
    def pump(self):
        for stream, rest in list(self.waiting.items()):
            while rest[0]:
                size = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(rest[0]))
                if size == 0: break
                self.h2.send_data(stream, rest[0][:size]); rest[0] = rest[0][size:]
            if rest[0]: continue
            if rest[1]: self.h2.send_headers(stream, rest[1], end_stream=True)
            else: self.h2.end_stream(stream)
            del self.waiting[stream]
        self.socket.sendall(self.h2.data_to_send())
    def finish(self):
        while any(not a['ended'] for a in self.answers.values()):
            self.pump()
            data = self.socket.recv(65536)
            if not data: raise Exception('the connection was closed')
            for event in self.h2.receive_data(data):
                answer = self.answers.get(getattr(event, 'stream_id', None))
                if isinstance(event, h2.events.ResponseReceived): answer['status'] = dict(event.headers)[':status']
                elif isinstance(event, h2.events.DataReceived):
                    answer['body'] += event.data
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.TrailersReceived): answer['trailers'] = dict(event.headers)
                elif isinstance(event, h2.events.StreamEnded): answer['ended'] = True
                elif isinstance(event, h2.events.StreamReset): answer['ended'], answer['reset'] = True, event.error_code
                elif isinstance(event, h2.events.ConnectionTerminated): raise Exception('GOAWAY %s' % event.error_code)
            self.pump()
        return self.answers

port = int(sys.argv[1])
S = h2.settings.SettingCodes
def get(settings=None):
    client = Client(port, settings); stream = client.ask('GET', '/'); answer = client.finish()[stream]
    assert (answer['status'], answer['body']) == ('200', b''), answer
def echo(size, settings=None):
    body = os.urandom(size); client = Client(port, settings); stream = client.ask('POST', '/', body); answer = client.finish()[stream]
    assert answer['status'] == '200' and hashlib.sha256(answer['body']).digest() == hashlib.sha256(body).digest(), len(answer['body'])
def many(count):
    client = Client(port); bodies = {}
    for at in range(count):
        body = os.urandom(at * 37 % 3000 + 1); bodies[client.ask('POST', '/%d' % at, body)] = body
    for stream, answer in client.finish().items(): assert answer['body'] == bodies[stream], answer
def trailers():
    client = Client(port); stream = client.ask('POST', '/', b'x' * 5000, trailers=[('x-sum', '5')]); answer = client.finish()[stream]
    assert answer['trailers'] == {'x-echo': '5'}, answer
def refused():
    client = Client(port); client.h2.config.validate_outbound_headers = False
    client.h2.config.normalize_outbound_headers = False
    stream = client.ask('GET', '/', fields=[('connection', 'close')]); answer = client.finish()[stream]
    assert answer['reset'] == 1, answer
    second = client.ask('GET', '/'); assert client.finish()[second]['status'] == '200'
for name, case in [
    ('GET', get), ('GET without a table', lambda: get({S.HEADER_TABLE_SIZE: 0})),
    ('1 byte back', lambda: echo(1)), ('8 MiB there and back', lambda: echo(8 << 20)),
    ('200 KiB through windows of 1,000 bytes', lambda: echo(200 << 10, {S.INITIAL_WINDOW_SIZE: 1000})),
    ('100 streams at once', lambda: many(100)), ('trailers both ways', trailers),
    ('a malformed request is reset and the next one served', refused),
]:
    try:
        case(); print('pass', name)
    except BaseException as error:
        print('fail %s: %r' % (name, error))
`;

export async function runPython(): Promise<Tally[]> {
  const tally = new Tally('Python h2 client, inbound side');
  if ((await lacking(['python3'])).length > 0) {
    tally.skip('all', 'needs python3');
    return [tally];
  }
  const python = await pythonWith('python-h2', ['h2==4.4.1', 'hpack==4.2.0']);
  const folder = mkdtempSync(join(tmpdir(), 'weft-h2-'));
  const target = await startPlainTarget(echo);
  try {
    writeFileSync(join(folder, 'client.py'), PROGRAM);
    const { code, output } = await runTool(python, [join(folder, 'client.py'), String(target.port)], {
      timeoutMs: RUN_MS,
    });
    for (const line of output.split('\n')) {
      if (line.startsWith('pass ')) tally.pass();
      else if (line.startsWith('fail '))
        tally.fail(line.slice(5, line.indexOf(':')), line.slice(line.indexOf(':') + 2));
    }
    if (code !== 0) tally.fail('the program', output.trim().slice(-400));
  } finally {
    await target.close();
    rmSync(folder, { recursive: true, force: true });
  }
  return [tally];
}

function echo(request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { trailer: 'x-echo' });
  request.on('data', (chunk: Buffer) => {
    if (!response.write(chunk)) request.pause();
  });
  response.on('drain', () => request.resume());
  request.on('end', () => {
    const sum = request.trailers['x-sum'];
    if (sum !== undefined) response.addTrailers({ 'x-echo': sum });
    response.end();
  });
}
