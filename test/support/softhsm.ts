import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadKoffi } from '../../adapters/signing/pkcs11/native-module.ts';

export const PIN = '246813';
const SO_PIN = '975310';
const MODULE = realpathSync('/usr/lib/softhsm/libsofthsm2.so');

/** SoftHSM with tokens of its own, for this process too; gone when it is disposed. */
export class SoftHsm implements Disposable {
  readonly #folder: string;
  readonly #spyLog: string;

  private constructor(folder: string, spyLog: string) {
    this.#folder = folder;
    this.#spyLog = spyLog;
  }

  static async make(): Promise<SoftHsm> {
    const folder = mkdtempSync(join(tmpdir(), 'tidegate-softhsm-'));
    const tokens = join(folder, 'tokens');
    const configuration = join(folder, 'softhsm2.conf');
    const spyLog = join(folder, 'calls');
    mkdirSync(tokens);
    writeFileSync(configuration, `directories.tokendir = ${tokens}\nlog.level = ERROR\n`);
    writeFileSync(spyLog, '');
    await setEnvironment({
      SOFTHSM2_CONF: configuration,
      PKCS11SPY: MODULE,
      PKCS11SPY_OUTPUT: spyLog,
    });
    return new SoftHsm(folder, spyLog);
  }

  /** A new token with PIN as its PIN; the serial number that it was given. */
  addToken(label: string): string {
    const options = ['--init-token', '--free', '--label', label, '--pin', PIN, '--so-pin', SO_PIN];
    const said = execFileSync('softhsm2-util', options, { encoding: 'utf8' });
    const [, slot] = /slot (\d+)/.exec(said.split('\n').at(-2) ?? '') ?? [];
    const shown = execFileSync('softhsm2-util', ['--show-slots'], { encoding: 'utf8' });
    const [, serial] = new RegExp(`Slot ${slot}\\n[^]*?Serial number:\\s+(\\w+)`).exec(shown) ?? [];
    if (serial === undefined) throw new Error(`softhsm2-util said ${said}${shown}`);
    return serial;
  }

  /** Runs pkcs11-tool, logged in to a token. */
  tool(token: string, ...options: readonly string[]): void {
    const login = ['--module', MODULE, '--token-label', token, '--login', '--pin', PIN];
    execFileSync('pkcs11-tool', [...login, ...options], { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  /** A new pair of keys; `type` as pkcs11-tool names it. */
  addKey(
    token: string,
    { type, label, id }: { readonly type: string; readonly label: string; readonly id: string },
    ...options: readonly string[]
  ): void {
    const pair = ['--keypairgen', '--key-type', type, '--label', label, '--id', id];
    this.tool(token, ...pair, ...options);
  }

  /** How often a PKCS#11 function was called through the module `pkcs11-spy`, which writes down each call. */
  spiedCalls(functionName: string): number {
    const log = readFileSync(this.#spyLog, 'utf8');
    return log.split('\n').filter((line) => line.endsWith(`: ${functionName}`)).length;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}

/** Modules ask the C library, which sees nothing of what a test writes into process.env. */
async function setEnvironment(values: Readonly<Record<string, string>>): Promise<void> {
  const { load } = await loadKoffi();
  const set = load('libc.so.6').func('setenv', 'int', ['str', 'str', 'int']);
  for (const [name, value] of Object.entries(values)) {
    process.env[name] = value;
    if (set(name, value, 1) !== 0) throw new Error(`setenv ${name}`);
  }
}
