import type { Picks, Ways } from '../support/picks.ts';
import { VolatileBytes } from '../support/volatile-bytes.ts';
import type { Operation } from './operations.ts';

export type Content =
  | { readonly kind: 'file'; readonly bytes: Uint8Array }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'folder' };
/** All that lies in a folder, by path. */
export type Tree = ReadonlyMap<string, Content>;

/** A part of a disk that has a device of its own: what is written through it, only a sync through it makes durable. */
export type Area = { readonly from: number; readonly to: number };

type File = { readonly kind: 'file'; readonly bytes: VolatileBytes };
type Link = { readonly kind: 'link'; readonly target: string };
type Folder = {
  readonly kind: 'folder';
  durable: Map<string, Node>;
  readonly entries: Map<string, Node>;
  /** Changes since the last sync, each of which happens as one or not at all. */
  pending: (readonly (readonly [name: string, node: Node | null])[])[];
};
type Node = File | Link | Folder;

/**
 * A file system that promises no more than POSIX does: a rename is atomic; the bytes of a file are durable after its fsync, and
 * names after the fsync of their folder. Until then each unit of bytes, each length and each change of names is kept or
 * lost for itself, in any order but that of the same name. A disk image in it is a disk, whose partitions are areas.
 */
export class VolatileTree {
  readonly #root: Folder;
  readonly #unitBytes: number;
  readonly #areas: ReadonlyMap<string, readonly Area[]>;

  constructor(
    tree: Tree,
    {
      unitBytes,
      areas,
    }: { readonly unitBytes: number; readonly areas: ReadonlyMap<string, readonly Area[]> },
  ) {
    this.#root = emptyFolder();
    this.#unitBytes = unitBytes;
    this.#areas = areas;
    for (const [path, content] of [...tree].toSorted(([a], [b]) => a.length - b.length)) {
      const { folder, name } = this.#at(path);
      const node = this.#nodeOf(content);
      folder.entries.set(name, node);
      folder.durable.set(name, node);
    }
  }

  apply(operation: Operation): void {
    switch (operation.kind) {
      case 'step':
        return;
      case 'make-file':
        if (this.#find(operation.path) === null) {
          this.#change(operation.path, this.#nodeOf({ kind: 'file', bytes: new Uint8Array() }));
        }
        return;
      case 'make-folder':
        this.#change(operation.path, emptyFolder());
        return;
      case 'make-link':
        this.#change(operation.path, { kind: 'link', target: operation.target });
        return;
      case 'resize':
        this.#file(operation.path).resize(operation.length);
        return;
      case 'write':
        this.#file(operation.path).write(operation.at, operation.bytes);
        return;
      case 'remove':
        this.#change(operation.path, null);
        return;
      case 'rename':
        this.#rename(operation.from, operation.path);
        return;
      case 'sync':
        this.#sync(operation);
        return;
    }
  }

  /** What a power loss decides now. */
  ways(): Ways {
    return this.#undecided().flatMap((node) => waysOf(node));
  }

  after(picks: Picks): Tree {
    const decided = new Map<Node, Picks>();
    let at = 0;
    for (const node of this.#undecided()) {
      const { length } = waysOf(node);
      decided.set(node, picks.slice(at, at + length));
      at += length;
    }
    const tree = new Map<string, Content>();
    const add = (folder: Folder, prefix: string): void => {
      for (const [name, node] of entriesAfter(folder, decided.get(folder) ?? [])) {
        const path = `${prefix}${name}`;
        if (node.kind === 'file') {
          tree.set(path, { kind: 'file', bytes: node.bytes.after(decided.get(node) ?? []) });
        } else if (node.kind === 'link') {
          tree.set(path, node);
        } else {
          tree.set(path, { kind: 'folder' });
          add(node, `${path}/`);
        }
      }
    };
    add(this.#root, '');
    return tree;
  }

  /** With everything that was done, as whoever looks now finds it. */
  now(): Tree {
    return this.after(this.ways().map((count) => count - 1));
  }

  #nodeOf(content: Content): Node {
    switch (content.kind) {
      case 'file':
        return { kind: 'file', bytes: new VolatileBytes(content.bytes, this.#unitBytes) };
      case 'link':
        return content;
      case 'folder':
        return emptyFolder();
    }
  }

  #at(path: string): { readonly folder: Folder; readonly name: string } {
    const names = path.split('/');
    const name = names.pop() ?? '';
    let folder = this.#root;
    for (const step of names) {
      const next = folder.entries.get(step);
      if (next?.kind !== 'folder') throw new Error(`there is no folder for ${path}`);
      folder = next;
    }
    return { folder, name };
  }

  #find(path: string): Node | null {
    if (path === '.') return this.#root;
    const { folder, name } = this.#at(path);
    return folder.entries.get(name) ?? null;
  }

  #file(path: string): VolatileBytes {
    const node = this.#find(path);
    if (node?.kind !== 'file') throw new Error(`there is no file ${path}`);
    return node.bytes;
  }

  #change(path: string, node: Node | null): void {
    const { folder, name } = this.#at(path);
    change(folder, [[name, node]]);
  }

  #rename(from: string, to: string): void {
    const [source, target] = [this.#at(from), this.#at(to)];
    const node = source.folder.entries.get(source.name);
    if (node === undefined) throw new Error(`there is no ${from}`);
    if (source.folder !== target.folder) throw new Error(`${to} comes from another folder`);
    change(source.folder, [
      [source.name, null],
      [target.name, node],
    ]);
  }

  #sync({ path, offsets }: Extract<Operation, { kind: 'sync' }>): void {
    const node = this.#find(path);
    if (node?.kind === 'file') {
      const areaOf = (at: number) =>
        this.#areas.get(path)?.findIndex(({ from, to }) => at >= from && at < to) ?? -1;
      // A handle that wrote nothing is one of the disk itself, which is no partition's.
      const synced = new Set(offsets.length === 0 ? [-1] : offsets.map(areaOf));
      node.bytes.sync((at) => synced.has(areaOf(at)));
    } else if (node?.kind === 'folder') {
      node.durable = new Map(node.entries);
      node.pending = [];
    } else throw new Error(`there is no ${path} to sync`);
  }

  /** Everything of which a power loss decides something, if it can be found at all afterwards. */
  #undecided(): readonly (File | Folder)[] {
    const seen = new Set<File | Folder>();
    const visit = (node: Node | null): void => {
      if (node === null || node.kind === 'link' || seen.has(node)) return;
      seen.add(node);
      if (node.kind === 'file') return;
      for (const child of node.durable.values()) visit(child);
      for (const [, child] of node.pending.flat()) visit(child);
    };
    visit(this.#root);
    return [...seen].filter((node) => waysOf(node).length > 0);
  }
}

function emptyFolder(): Folder {
  return { kind: 'folder', durable: new Map(), entries: new Map(), pending: [] };
}

function change(folder: Folder, changes: Folder['pending'][number]): void {
  folder.pending.push(changes);
  applyTo(folder.entries, changes);
}

function applyTo(entries: Map<string, Node>, changes: Folder['pending'][number]): void {
  for (const [name, node] of changes) {
    if (node === null) entries.delete(name);
    else entries.set(name, node);
  }
}

function waysOf(node: File | Folder): Ways {
  return node.kind === 'file' ? node.bytes.ways() : node.pending.map(() => 2);
}

function entriesAfter(folder: Folder, picks: Picks): ReadonlyMap<string, Node> {
  const entries = new Map(folder.durable);
  folder.pending.forEach((changes, index) => {
    if (picks[index] === 1) applyTo(entries, changes);
  });
  return entries;
}
