import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';
import type { ManagedProcess, ProcessSupervisor } from './process-supervisor.ts';
import { Hopeless, waitUntil } from './wait-until.ts';

/** What the database itself counted, without what was asked here. */
export interface DatabaseCounts {
  readonly connections: number;
  readonly commands: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** A machine that does much else at the time starts programs slowly. */
const READY_MS = 60_000;
const TIMEOUT_MS = 5_000;
const INFO = '*2\r\n$4\r\nINFO\r\n$5\r\nstats\r\n';
const standIn = fileURLToPath(new URL('../services/database.mjs', import.meta.url));

/** The shop's database: Redis where the machine has it, else a small server of the demo's that speaks its protocol. */
export class DatabaseProcess {
  readonly port: number;
  readonly process: ManagedProcess;
  /** `Redis 7.0.15`, or empty for the stand-in. */
  readonly redis: string;
  /** Of the questions asked here, which the database counts too. */
  private readonly own: { questions: number; answerBytes: number };

  private constructor(process: ManagedProcess, port: number, redis: string) {
    this.process = process;
    this.port = port;
    this.redis = redis;
    this.own = { questions: 0, answerBytes: 0 };
  }

  /** `redis`: name and version of what is on the PATH; empty for the stand-in. */
  static async start(supervisor: ProcessSupervisor, name: string, redis = findRedis()): Promise<DatabaseProcess> {
    const port = await freePort();
    const folder = join(supervisor.folder, 'state', `${name}-data`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
    const started = supervisor.start({
      name,
      command: redis === '' ? process.execPath : 'redis-server',
      args: redis === '' ? [standIn] : args,
      environment: { PORT: String(port) },
    });
    const database = new DatabaseProcess(started, port, redis);
    await waitUntil(`${name} to answer`, READY_MS, async () => {
      if (!started.alive) throw new Hopeless(`${name} ended: ${started.lastWords()}`);
      return database.counts();
    });
    return database;
  }

  /** Asked on a connection of its own that goes around the mesh. One at a time. */
  async counts(): Promise<DatabaseCounts> {
    const { questions, answerBytes } = this.own;
    const answer = await ask(this.port, INFO);
    this.own.questions += 1;
    this.own.answerBytes += answer.length;
    const read = (field: string): number => Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(answer)?.[1] ?? Number.NaN);
    // A command counts once it is done: this one is not among the commands and answers, but its bytes have come.
    return {
      connections: read('total_connections_received') - questions - 1,
      commands: read('total_commands_processed') - questions,
      receivedBytes: read('total_net_input_bytes') - (questions + 1) * INFO.length,
      sentBytes: read('total_net_output_bytes') - answerBytes,
    };
  }
}

/** Its name and version, or empty. */
function findRedis(): string {
  try {
    const text = execFileSync('redis-server', ['--version'], { encoding: 'utf8', timeout: 5_000 });
    return `Redis ${/v=([\d.]+)/.exec(text)?.[1] ?? ''}`.trim();
  } catch {
    return '';
  }
}

/** One command and its whole answer, a bulk string in ASCII. */
function ask(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(command));
    socket.setEncoding('latin1');
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error('the database does not answer')));
    socket.on('data', (chunk: string) => {
      answer += chunk;
      const [head = '', length] = /^\$(\d+)\r\n/.exec(answer) ?? [];
      if (length === undefined || answer.length < head.length + Number(length) + 2) return;
      socket.end();
      resolve(answer);
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`the database said ${JSON.stringify(answer.slice(0, 80))}`)));
  });
}
