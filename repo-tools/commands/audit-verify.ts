import { Command } from 'commander';
import type { Io } from '../../adapters/terminal/io.ts';
import { chainHeadSchema, EMPTY_CHAIN, forgottenHead, verifyChain } from '../../core/audit.ts';
import type { ChainHead } from '../../core/audit.ts';
import { AuditError } from '../audit/errors.ts';
import { auditServer, serverLog } from '../audit/server-log.ts';
import { readSignedHead } from '../audit/signed-head.ts';
import { openStorageFor } from '../open-storage.ts';
import { print, readOptionBytes, readOptionFile, UsageError } from '../usage.ts';

type Options = {
  readonly server?: string;
  readonly file?: string;
  readonly storage?: string;
  readonly root?: string;
  readonly since?: string;
  readonly unsafeAllowExpired?: boolean;
  readonly json?: boolean;
};

/** A head that the log must hold, and who says so. */
type Witness = { readonly who: string; readonly head: ChainHead };

export function auditVerifyCommand(io: Io): Command {
  return new Command('verify')
    .description('check that nothing in the audit log was changed, removed or reordered')
    .option('--server <url>', 'the server whose log it is (or TIDEGATE_SERVER)')
    .option('--file <file>', 'lines of JSON that `audit export` wrote, instead of a server')
    .option('--storage <url>', 'the repository, whose signed manifest names the head of the log')
    .option('--root <file>', 'with --storage: a root that you trust, instead of its first one')
    .option('--unsafe-allow-expired', 'with --storage: take what may be an old state of it')
    .option('--since <sequence:hash>', 'a head of the log that you kept: it must still be in it')
    .option('--json', 'print the result as one line of JSON')
    .addHelpText(
      'after',
      '\nExample:\n  tidegate audit verify --server http://127.0.0.1:8080 --storage s3://updates/repo --root root.json',
    )
    .action((options: Options) => verify(io, options));
}

async function verify(io: Io, options: Options): Promise<void> {
  if (options.file !== undefined && options.server !== undefined) {
    throw new UsageError('usage/option', 'give either --server or --file');
  }
  const since = options.since === undefined ? null : headOption('--since', options.since);
  const kept = since === null ? [] : [{ who: 'the head that you kept', head: since }];
  // Before the log is read: a server that works meanwhile makes the log longer, never shorter.
  const signed = await signedWitness(io, options);
  const lines = await readLines(io, options);
  if (signed?.head === null && lines.length > 0) {
    throw new AuditError('audit/witness', `the manifest in ${options.storage} names no audit log`);
  }
  const named = signed === null || signed.head === null ? [] : [{ ...signed, head: signed.head }];
  judge(io, options, { lines, since, witnesses: [...named, ...kept] });
}

async function signedWitness(io: Io, { storage: url, root, unsafeAllowExpired }: Options) {
  if (url === undefined) {
    if (root === undefined && unsafeAllowExpired === undefined) return null;
    throw new UsageError('usage/option', '--root and --unsafe-allow-expired need --storage');
  }
  const trustedRoot = root === undefined ? undefined : await readOptionBytes(io, '--root', root);
  await using storage = await openStorageFor(io, url, 'read');
  const allowExpired = unsafeAllowExpired === true;
  const head = await readSignedHead(storage, { now: io.now(), trustedRoot, allowExpired });
  return { who: `the signed manifest in ${url}`, head };
}

async function readLines(io: Io, { server, file }: Options): Promise<readonly unknown[]> {
  if (file === undefined) {
    const pages = serverLog(await auditServer(io, server), { after: 0 });
    return (await Array.fromAsync(pages)).flat();
  }
  const text = await readOptionFile(io, '--file', file);
  return text === '' ? [] : text.replace(/\n$/, '').split('\n').map(readLine);
}

function judge(
  io: Io,
  { json }: Options,
  {
    lines,
    since,
    witnesses,
  }: {
    readonly lines: readonly unknown[];
    readonly since: ChainHead | null;
    readonly witnesses: readonly Witness[];
  },
): void {
  const isKept = since !== null && beginsBehind(since, lines);
  const forgotten = isKept ? null : forgottenHead(lines);
  const from = isKept ? since : (forgotten ?? EMPTY_CHAIN);
  const verdict = verifyChain(lines, { from, witnesses: witnesses.map(({ head }) => head) });
  if (verdict.kind === 'broken') {
    const { sequence, fault, detail } = verdict;
    print(io, json, verdict, []);
    throw new AuditError('audit/broken', `entry ${sequence} was ${fault}: ${detail}`, {
      hints: ['everything before it is as it was written'],
    });
  }
  const { head } = verdict;
  print(io, json, { ...verdict, entries: lines.length, forgotten, witnesses }, [
    `${lines.length} entries, each as it was written, up to ${head.sequence}:${head.hash}`,
    ...(forgotten === null
      ? []
      : [`entries up to ${forgotten.sequence} were forgotten, as the log says itself`]),
    ...witnesses.map((witness) => witnessLine(witness, from, head)),
    ...(witnesses.length === 0
      ? ['no witness was asked: that the whole log was rewritten would not be found (--storage)']
      : []),
  ]);
}

function witnessLine({ who, head: seen }: Witness, from: ChainHead, last: ChainHead): string {
  if (seen.sequence < from.sequence) {
    return `${who} names entry ${seen.sequence}, which is before these: that says nothing of them`;
  }
  const newer = last.sequence - seen.sequence;
  return `${who} names entry ${seen.sequence}, and the log holds it; ${newer} entries are newer`;
}

function beginsBehind({ sequence }: ChainHead, [first]: readonly unknown[]): boolean {
  return (
    typeof first === 'object' &&
    first !== null &&
    'sequence' in first &&
    first.sequence === sequence + 1
  );
}

/** A line that is no JSON is no entry: it is judged with the others, so that the first broken one is named. */
function readLine(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function headOption(name: string, text: string): ChainHead {
  const [, sequence, hash] = /^(\d+):(\S+)$/.exec(text) ?? [];
  const head = chainHeadSchema.safeParse({ sequence: Number(sequence), hash });
  if (head.success) return head.data;
  throw new UsageError(
    'usage/option',
    `${name} must be like 57:<64 hex digits>, as audit verify prints it, got '${text}'`,
  );
}
