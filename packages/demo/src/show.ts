import type { ProcessSupervisor } from './process-supervisor.ts';
export async function show(supervisor: ProcessSupervisor, say: (line: string) => void, seconds: number): Promise<void> {
  say(`${supervisor.folder} ${seconds}`);
}
