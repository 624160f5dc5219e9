import { Option } from 'commander';

/** `-o`, the same for every command that shows something. */
export function outputOption(): Option {
  return new Option('-o, --output <format>', 'how to show it').choices(['table', 'json', 'yaml']).default('table');
}
