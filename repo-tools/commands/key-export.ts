import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { exportForTuftool } from '../../adapters/signing/export.ts';
import { writeNewFile } from '../../adapters/signing/new-key.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { keyId } from '../../core/tuf/keys.ts';

type Options = { readonly for: 'tuftool'; readonly out: string; readonly json?: true };

/** `tidegate key export`: an unencrypted copy of a private key in the form that another tool signs with. */
export function keyExportCommand(io: Io): Command {
  return new Command('export')
    .description(
      'Write an unencrypted copy of a private key, readable by you only, for another tool',
    )
    .argument('<source>', 'the key; one in a device or service never leaves it')
    .addOption(
      new Option('--for <tool>', 'who will sign with it')
        .choices(['tuftool'])
        .makeOptionMandatory(),
    )
    .requiredOption('--out <file>', 'file for the copy; must not exist')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate key export file:root1.pem --for tuftool --out root1.tuftool',
    )
    .action(async (source: string, options: Options) => {
      const { key, content, format } = await exportForTuftool(source, io);
      await writeNewFile(resolve(io.cwd, options.out), content);
      const id = keyId(key);
      const result = { keyId: id, type: key.keytype, format, file: options.out };
      io.stdout.write(`${options.json === true ? JSON.stringify(result) : id}\n`);
    });
}
