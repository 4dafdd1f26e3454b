import { Command } from 'commander';
import { openPublicKey } from '../../adapters/signing/open.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { keyId } from '../../core/tuf/keys.ts';

/** `tidegate key show`: what TUF metadata says of a key, wherever it lives. */
export function keyShowCommand(io: Io): Command {
  return new Command('show')
    .description('Print the id, type and scheme of a key, and the key as TUF metadata holds it')
    .argument('<source>', 'the key, or its public half')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  tidegate key show aws-kms:alias/root')
    .action(async (source: string, options: { readonly json?: true }) => {
      const key = await openPublicKey(source, io);
      const shown = { keyId: keyId(key), type: key.keytype, scheme: key.scheme, key };
      io.stdout.write(
        options.json === true
          ? `${JSON.stringify(shown)}\n`
          : `key id: ${shown.keyId}\ntype: ${shown.type}\nscheme: ${shown.scheme}\nkey: ${JSON.stringify(key)}\n`,
      );
    });
}
