import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openState } from '../../../adapters/state/open.ts';
import type { State } from '../../../adapters/state/state.ts';
import type { TestDatabase } from './contract.ts';

/** A folder of its own for one test, removed at its end. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'tidegate-state-'));
  return {
    path,
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true, force: true });
    },
  };
}

export async function sqliteFile(): Promise<TestDatabase> {
  const folder = await temporaryFolder();
  return databaseAt('sqlite:S/state.db', folder.path, async () => {
    await folder[Symbol.asyncDispose]();
  });
}

export function sqliteInMemory(): Promise<TestDatabase> {
  return Promise.resolve(databaseAt('sqlite::memory:', '/nowhere', () => Promise.resolve()));
}

/** Handles of one database; `remove` cleans up when all are closed. */
export function databaseAt(url: string, cwd: string, remove: () => Promise<void>): TestDatabase {
  const handles: State[] = [];
  return {
    async open() {
      const state = await openState(url, { cwd });
      handles.push(state);
      return state;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(handles.map((state) => state[Symbol.asyncDispose]()));
      await remove();
    },
  };
}
