import { afterAll, beforeAll } from '@jest/globals';
import { openStorage } from '../../../adapters/storage/open.ts';
import { startVersitygw } from '../../support/versitygw.ts';
import type { Versitygw } from '../../support/versitygw.ts';
import { describeStorageContract } from './contract.ts';

let gateway: Versitygw;
let prefixes = 0;

beforeAll(async () => {
  gateway = await startVersitygw();
});

afterAll(async () => gateway[Symbol.asyncDispose]());

function newUrl(endpoint?: string): string {
  prefixes += 1;
  return gateway.storageUrl(`run-${prefixes}/repository`, endpoint);
}

describeStorageContract('s3 on versitygw', () =>
  openStorage(newUrl(), { access: 'write', cwd: '/', env: gateway.env }),
);
