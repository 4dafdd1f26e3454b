import { terminalSecrets } from '../adapters/terminal/ask-secret.ts';
import { terminalConfirm } from '../adapters/terminal/confirm.ts';
import { runCli } from './cli.ts';
import { processIo } from './process-io.ts';

const io = processIo();
const terminal = { stdin: process.stdin, stderr: io.stderr, signal: io.signal };
process.exitCode = await runCli(process.argv.slice(2), {
  ...io,
  askSecret: terminalSecrets(terminal),
  confirm: terminalConfirm(terminal),
});
