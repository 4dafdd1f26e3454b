// Reads the file that it is given past the page cache, and prints its SHA-256 and how many bytes the device gave for it.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readPastCache } from '../../../agent/slots/read-past-cache.ts';

const [path = ''] = process.argv.slice(2);
const before = bytesFromDevices();
const hash = createHash('sha256');
for await (const chunk of readPastCache({ path })) hash.update(chunk);
const fromDevice = bytesFromDevices() - before;
process.stdout.write(JSON.stringify({ sha256: hash.digest('hex'), fromDevice }));

/** What the kernel fetched from storage for this process; what lay in the page cache is not counted. */
function bytesFromDevices(): number {
  return Number(/^read_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1]);
}
