import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Content, Tree } from './volatile-tree.ts';

export function readTree(folder: string): Tree {
  const tree = new Map<string, Content>();
  const read = (prefix: string): void => {
    for (const entry of readdirSync(join(folder, prefix), { withFileTypes: true })) {
      const name = `${prefix}${entry.name}`;
      const path = join(folder, name);
      if (entry.isSymbolicLink()) tree.set(name, { kind: 'link', target: readlinkSync(path) });
      else if (!entry.isDirectory()) tree.set(name, { kind: 'file', bytes: readFileSync(path) });
      else {
        tree.set(name, { kind: 'folder' });
        read(`${name}/`);
      }
    }
  };
  read('');
  return tree;
}

/** Makes the folder hold this and nothing else. */
export function writeTree(folder: string, tree: Tree): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  for (const [name, content] of [...tree].toSorted(([a], [b]) => a.length - b.length)) {
    const path = join(folder, name);
    if (content.kind === 'folder') mkdirSync(path);
    else if (content.kind === 'link') symlinkSync(content.target, path);
    else writeFileSync(path, content.bytes);
  }
}
