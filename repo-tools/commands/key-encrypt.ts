import { resolve } from 'node:path';
import { Command } from 'commander';
import { encryptedCopy } from '../../adapters/signing/export.ts';
import { writeNewFile } from '../../adapters/signing/new-key.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { keyId } from '../../core/tuf/keys.ts';

type Options = { readonly out: string; readonly json?: true };

/** `tidegate key encrypt`: an encrypted copy of a private key; the old file stays until its owner removes it. */
export function keyEncryptCommand(io: Io): Command {
  return new Command('encrypt')
    .description(
      'Write an encrypted copy of a private key: TIDEGATE_NEW_PASSPHRASE, TIDEGATE_NEW_PASSPHRASE_FILE, or asked',
    )
    .argument('<source>', 'the key, encrypted or not')
    .requiredOption('--out <file>', 'file for the copy; must not exist')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  tidegate key encrypt file:root1.pem --out root1.enc.pem')
    .action(async (source: string, options: Options) => {
      const { key, content } = await encryptedCopy(source, { out: options.out, secrets: io });
      await writeNewFile(resolve(io.cwd, options.out), content);
      const id = keyId(key);
      const result = { keyId: id, type: key.keytype, file: options.out };
      io.stdout.write(`${options.json === true ? JSON.stringify(result) : id}\n`);
    });
}
