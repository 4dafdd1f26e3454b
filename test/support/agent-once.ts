import { agentOnceCommand } from '../../agent/commands/once.ts';

// The real `agent once` without the rest of the command line: the process to kill.
await agentOnceCommand({
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  now: () => new Date(),
  signal: new AbortController().signal,
}).parseAsync(process.argv.slice(2), { from: 'user' });
