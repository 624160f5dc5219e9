import type { AdminClient } from '@weft/wire';
import { CommandFault, exitCodes } from './exit-code.ts';

/** What commands ask. */
export type ControlAdmin = Pick<
  AdminClient,
  'getServer' | 'listProxies' | 'getConfig' | 'getVersions' | 'listObjects' | 'why' | 'getTraffic' | 'tap'
>;

/** What a command wants to see: single requests, or what is calmer. In a cluster these are different roles. */
export type Sight = 'calm' | 'requests';

/** Nobody was there to answer; whoever opened the connection says it better. */
export class Unanswered extends CommandFault {
  constructor(message: string) {
    super(exitCodes.unreachable, message);
  }
}
