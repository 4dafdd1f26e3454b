import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { createKeyFile, KEY_TYPES } from '../../adapters/signing/new-key.ts';
import type { KeyType } from '../../adapters/signing/new-key.ts';
import { newPassphrase } from '../../adapters/signing/passphrase.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { keyId } from '../../core/tuf/keys.ts';

type Options = {
  readonly type: KeyType;
  readonly out: string;
  readonly encrypt?: true;
  readonly json?: true;
};

/** `tidegate key new`: prints the key id; the private key goes into the file and nowhere else. */
export function keyNewCommand(io: Io): Command {
  return new Command('new')
    .description('Make a signing key in a new file, readable by you only')
    .addOption(new Option('--type <type>', 'kind of key').choices(KEY_TYPES).makeOptionMandatory())
    .requiredOption('--out <file>', 'file for the private key; must not exist')
    .option('--encrypt', 'encrypt it: TIDEGATE_PASSPHRASE, TIDEGATE_PASSPHRASE_FILE, or asked')
    .option('--json', 'print one JSON object')
    .addHelpText('after', '\nExample:\n  tidegate key new --type ed25519 --out root1.pem')
    .action(async (options: Options) => {
      const passphrase = options.encrypt === true ? await newPassphrase(options.out, io) : null;
      const key = await createKeyFile(resolve(io.cwd, options.out), {
        type: options.type,
        passphrase,
      });
      const id = keyId(key);
      const result = { keyId: id, type: options.type, file: options.out };
      io.stdout.write(`${options.json === true ? JSON.stringify(result) : id}\n`);
    });
}
