// npm run bench -- publish    the last line is JSON
import { benchPublish } from './publish.ts';

const BENCHES: ReadonlyMap<string, (print: (line: string) => void) => Promise<object>> = new Map([
  ['publish', benchPublish],
]);

const [name = '', ...rest] = process.argv.slice(2);
const bench = BENCHES.get(name);
if (bench === undefined || rest.length > 0) {
  const names = [...BENCHES.keys()].join('|');
  process.stderr.write(`Usage: npm run bench -- ${names}\n`);
  process.exitCode = 2;
} else {
  const result = await bench((line) => process.stderr.write(`${line}\n`));
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
