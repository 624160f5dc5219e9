import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { runCommandLine } from './command-line.ts';
import { CommandFault } from './exit-code.ts';

const folder = mkdtempSync(join(tmpdir(), 'weft-cli-'));
after(() => rmSync(folder, { recursive: true }));

/** Runs a command in this process, as main.ts would. */
async function weft(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  let out = '';
  let err = '';
  const terminal = {
    out: (text: string) => void (out += text),
    err: (text: string) => void (err += text),
    coloured: false,
  };
  const code = await runCommandLine(args, terminal).catch((error: unknown) => {
    if (!(error instanceof CommandFault)) throw error;
    err += `weft: ${error.message}\n`;
    return error.exitCode;
  });
  return { code, out, err };
}

const absent = ['--admin-socket', join(folder, 'absent.sock')] as const;

test('help shows every command, an example and the exit codes, and is no fault', async () => {
  const { code, out } = await weft('--help');
  assert.equal(code, 0);
  for (const command of [
    'control',
    'run',
    'status',
    'get',
    'token',
    'check',
    'explain',
    'diff',
    'simulate',
    'install',
    'uninstall',
    'inject',
    'capture',
    'proxy',
    'version',
  ]) {
    assert.match(out, new RegExp(`^  ${command}\\b`, 'm'));
  }
  assert.match(out, /Exit codes: 0 all is well/);
});

for (const command of [
  'control',
  'run',
  'status',
  'get',
  'check',
  'explain',
  'diff',
  'simulate',
  'inject',
  'capture apply',
  'version',
  'token create',
]) {
  test(`help of ${command} ends with examples of it`, async () => {
    const { code, out } = await weft(...command.split(' '), '--help');
    assert.equal(code, 0);
    assert.match(out.slice(out.indexOf('Examples:')), new RegExp(`^  (?:\\S+=.* )?weft ${command}`, 'm'));
  });
}

for (const [args, pattern] of [
  [[], /Usage: weft/],
  [['chek'], /unknown command 'chek'[^]*Did you mean check/],
  [['check'], /give files or folders to check, or --cluster/],
  [['check', '--cluster', '.'], /give files or folders to check, or --cluster/],
  [['check', '--cluster', '-o', 'sarif'], /a cluster has no lines/],
  [['install', '--dry-run', '--replicas', 'x'], /--replicas "x": expected a whole number from 1 to 10/],
  [['check', '-o', 'xml', '.'], /Allowed choices are table, json, yaml, sarif, junit/],
  [['explain', 'GET', 'http://orders/'], /required option '--from <name>'/],
  [['explain', '--from', 'web', 'GET', 'orders', '-c', '.'], /expected a URL such as/],
  [['simulate', '--log', 'x', '-c', '.', '--max-elsewhere', 'few'], /--max-elsewhere "few": expected a number/],
  [['diff', 'x'], /missing required argument 'after'/],
  [['status', '--colour'], /unknown option '--colour'/],
  [['control'], /either a folder with --config, or --kubernetes/],
  [['control', '--config', '.', '--kubernetes'], /either a folder with --config, or --kubernetes/],
  [['control', '--config', '.', '--port', 'x'], /--port "x": expected a whole number from 0 to 65535/],
  [['control', '--config', '.', '--leaf-lifetime', 'soon'], /--leaf-lifetime "soon"/],
  [['inject', '-f', 'x.yaml'], /required option '--roots-file/],
  [['inject', '-f', 'x.yaml', '--roots-file', 'absent.pem'], /absent\.pem cannot be read \(ENOENT\)/],
  [['capture', 'apply', '--inbound', 'every'], /--inbound "every": expected all/],
  [['capture', 'apply', '--outbound', '15001'], /the user of the proxy/],
  [['run', '--service', 'cart'], /missing required argument 'program'/],
  [['run', '--', 'true'], /required option '--service/],
  [['run', '--service', 'cart', '--port', 'http', '--', 'true'], /--port "http": expected PORT or NAME=PORT/],
  [['run', '--service', 'cart', '--', 'no-such-program'], /there is no program no-such-program/],
  [['token'], /Usage: weft token/],
  [['token', 'create', '--service', 'a', '--lifetime', 'x', ...absent], /--lifetime "x"/],
] as const) {
  test(`"weft ${args.join(' ')}" is not typed right: exit code 2 and what is wrong`, async () => {
    const { code, err } = await weft(...args);
    assert.equal(code, 2, err);
    assert.match(err, pattern);
  });
}

for (const args of [['status'], ['get', 'objects'], ['token', 'create', '--service', 'a'], ['run', '--service', 'a']]) {
  test(`"weft ${args.join(' ')}" without a control plane: exit code 3 and how to start one, in one line`, async () => {
    const { code, out, err } = await weft(...args, ...absent, ...(args[0] === 'run' ? ['--', 'true'] : []));
    assert.equal(code, 3);
    assert.equal(out, '');
    assert.match(err, /^weft: no control plane answers on .+absent\.sock; start one with: weft control .*\n$/);
  });
}

test('check says nothing wrong of good files, and where and what of bad ones', async () => {
  const place = join(folder, 'mesh');
  mkdirSync(join(place, 'deep'), { recursive: true });
  writeFileSync(
    join(place, 'deep', 'cart.yaml'),
    'apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec: {ports: [{port: 80}]}\n',
  );
  writeFileSync(join(place, 'notes.txt'), 'not configuration');
  assert.deepEqual((await weft('check', place)).out, '1 object in 1 file: nothing wrong\n');
  writeFileSync(join(place, 'bad.yaml'), 'apiVersion: v1\nkind: Servis\nmetadata: {name: a}\n');
  const { code, out } = await weft('check', place);
  assert.equal(code, 1);
  assert.match(out, /bad\.yaml:2:\d+: error: .*Servis/);
  const { code: jsonCode, out: json } = await weft('check', '-o', 'json', place);
  assert.equal(jsonCode, 1);
  const report = JSON.parse(json) as { errors: number; findings: { line: number }[] };
  assert.deepEqual([report.errors, report.findings[0]?.line], [1, 2]);
  const { out: yaml } = await weft('check', '-o', 'yaml', place);
  assert.match(yaml, /^errors: 1$/m);
});

test('warnings fail a check only when it is strict', async () => {
  const file = join(folder, 'route.yaml');
  writeFileSync(
    file,
    `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec: {parentRefs: [{group: "", kind: Service, name: gone, port: 80}], rules: [{backendRefs: [{name: gone, port: 80}]}]}
`,
  );
  const relaxed = await weft('check', file);
  assert.match(relaxed.out, /warning: HTTPRoute default\/r/);
  assert.equal(relaxed.code, 0);
  assert.equal((await weft('check', '--strict', file)).code, 1);
});
