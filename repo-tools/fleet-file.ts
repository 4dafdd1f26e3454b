import type { Io } from '../adapters/terminal/io.ts';
import { formatOf, parseFleetFile } from '../core/fleet/file.ts';
import type { FleetRules } from '../core/fleet/rules.ts';
import { readOptionFile, UsageError } from './usage.ts';

/** The rules of the fleet in the file that an option names; its name says whether it is TOML or YAML. Throws FleetError. */
export async function readFleetOption(io: Io, name: string, file: string): Promise<FleetRules> {
  const format = formatOf(file);
  if (format === null) {
    throw new UsageError('usage/option', `${name} must end in .toml, .yaml or .yml, got ${file}`);
  }
  return parseFleetFile(await readOptionFile(io, name, file), format);
}
