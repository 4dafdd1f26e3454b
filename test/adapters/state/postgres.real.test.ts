import { afterAll, beforeAll } from '@jest/globals';
import { startPostgres } from '../../support/postgres.ts';
import type { Postgres } from '../../support/postgres.ts';
import { describeStateContract } from './contract.ts';
import { databaseAt } from './test-database.ts';

let postgres: Postgres;

beforeAll(async () => {
  postgres = await startPostgres();
});

afterAll(async () => {
  await postgres[Symbol.asyncDispose]();
});

describeStateContract(
  'postgres',
  async () => databaseAt(await postgres.newDatabase(), '/nowhere', () => Promise.resolve()),
  { isShared: true },
);
