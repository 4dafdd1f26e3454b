import { resolve } from 'node:path';
import { Command } from 'commander';
import { writeNewFile } from '../../adapters/signing/new-key.ts';
import { openPublicKey } from '../../adapters/signing/open.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { keyId, publicPemOf } from '../../core/tuf/keys.ts';

type Options = { readonly out: string; readonly json?: true };

/** `tidegate key public`: the half that may be handed to anybody, as SubjectPublicKeyInfo PEM. */
export function keyPublicCommand(io: Io): Command {
  return new Command('public')
    .description('Write the public half of a key into a new file, to hand it over')
    .argument('<source>', 'the key')
    .requiredOption('--out <file>', 'file for the public key; must not exist')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  tidegate key public file:root1.pem --out root1.pub.pem')
    .action(async (source: string, options: Options) => {
      const key = await openPublicKey(source, io);
      await writeNewFile(resolve(io.cwd, options.out), publicPemOf(key));
      const id = keyId(key);
      const result = { keyId: id, type: key.keytype, file: options.out };
      io.stdout.write(`${options.json === true ? JSON.stringify(result) : id}\n`);
    });
}
