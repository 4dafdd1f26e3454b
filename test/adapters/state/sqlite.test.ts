import { describeStateContract } from './contract.ts';
import { sqliteFile, sqliteInMemory } from './test-database.ts';

describeStateContract('sqlite file', sqliteFile, { isShared: true });
describeStateContract('sqlite in memory', sqliteInMemory, { isShared: false });
