import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { Command } from 'commander';
import { writeNewFile } from '../../adapters/signing/new-key.ts';
import type { Io } from '../../adapters/terminal/io.ts';
import { formatOperator, parseOperators, RIGHTS, tokenDigest } from '../../core/operators.ts';

type Options = { readonly out: string; readonly rights?: string; readonly json?: true };

/** `tidegate operator new`: the token goes into the file, what the server has to know of it to stdout. */
export function operatorNewCommand(io: Io): Command {
  return new Command('new')
    .description('Make a token for a person or a program, in a new file readable by you only')
    .argument('<name>', 'as the history and the audit log shall name them')
    .requiredOption('--out <file>', 'file for the token; must not exist')
    .option('--rights <list>', `of ${RIGHTS.join(', ')} (default: all)`)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate operator new alice --rights read,pause --out alice.token >> operators.toml\n' +
        '  tidegate serve --operators operators.toml …',
    )
    .action(async (name: string, options: Options) => {
      const token = randomBytes(32).toString('base64url');
      const rights = options.rights?.split(',').map((right) => right.trim()) ?? RIGHTS;
      const table = formatOperator({ name, tokenSha256: tokenDigest(token), rights });
      const [operator] = parseOperators(table);
      await writeNewFile(resolve(io.cwd, options.out), `${token}\n`);
      io.stdout.write(
        options.json === true ? `${JSON.stringify({ ...operator, file: options.out })}\n` : table,
      );
    });
}
