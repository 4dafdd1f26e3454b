import { listOf, objectOf, own } from './raw.ts';
import type { Document, JsonObject, RawFile, RawRepository } from './raw.ts';
import { judgeSignatures } from './signatures.ts';
import type { JudgedFile, Trust } from './signatures.ts';

/** A map of keys by id. */
export type Ring = { readonly where: string; readonly keys: JsonObject };

/** Who may sign a role, as its delegator says it. */
export type RoleKeys = {
  readonly where: string;
  readonly role: string;
  readonly keyids: readonly unknown[];
  readonly threshold: unknown;
  readonly ring: JsonObject;
};

export type Delegation = {
  /** The role that delegates. */
  readonly where: string;
  readonly name: string;
  readonly raw: JsonObject;
  /** The patterns that are text; null if there is no list. */
  readonly paths: readonly string[] | null;
};

export type Target = { readonly where: string; readonly name: string; readonly raw: JsonObject };

/** What a snapshot or timestamp says of another file, and that file if it could be read. */
export type Meta = {
  readonly where: string;
  readonly name: string;
  readonly raw: JsonObject;
  readonly file: RawFile | null;
};

/** The repository taken apart once, for all checks. */
export type Facts = {
  readonly repository: RawRepository;
  /** The time and how soon is soon; null where time does not matter, as before a commit. */
  readonly clock: Clock | null;
  readonly documents: readonly Document[];
  readonly roots: readonly Document[];
  /** Of every root and of every role that delegates. */
  readonly rings: readonly Ring[];
  readonly roleKeys: readonly RoleKeys[];
  readonly delegations: readonly Delegation[];
  readonly targets: readonly Target[];
  readonly metas: readonly Meta[];
  readonly judged: readonly JudgedFile[];
};

export type Clock = { readonly now: Date; readonly horizonMs: number };

export function factsOf(repository: RawRepository, clock: Clock | null): Facts {
  const roots = repository.roots.map((file, index): Document => {
    const isLast = index === repository.roots.length - 1;
    return documentOf(isLast ? 'root' : file.name.replace(/\.json$/, ''), file);
  });
  const rest = [
    repository.targets,
    ...repository.delegated.values(),
    repository.snapshot,
    repository.timestamp,
  ].flatMap((file) => (file === null ? [] : [documentOf(file.role, file)]));
  const documents = [...roots, ...rest];
  const delegators = rest.filter(({ file }) => isTargets(repository, file));
  const delegations = delegators.flatMap(delegationsIn);
  const rings = [
    ...roots.map(({ where, signed }) => ({ where, keys: objectOf(signed['keys']) })),
    ...delegators.map(({ where, signed }) => ({ where, keys: ringIn(signed) })),
  ];
  return {
    repository,
    clock,
    documents,
    roots,
    rings,
    roleKeys: [...roots.flatMap(topLevelKeys), ...delegators.flatMap(delegatedKeys)],
    delegations,
    targets: delegators.flatMap(targetsIn),
    metas: rest.flatMap((document) => metasIn(repository, document)),
    judged: [
      ...roots.map((document, index) =>
        // TUF 5.3.4: a root is signed by those of the root before it, and by its own.
        judgeSignatures(
          document,
          [...roots.slice(Math.max(0, index - 1), index), document].map(rootTrust),
        ),
      ),
      ...rest.map((document) =>
        judgeSignatures(document, trustOf(document.file.role, roots, delegators)),
      ),
    ],
  };
}

/** The delegations of a role that delegates; nothing of it needs to be well-formed. */
export function delegatedRolesOf(signed: JsonObject): readonly JsonObject[] {
  return listOf(objectOf(signed['delegations'])['roles']).map(objectOf);
}

function isTargets({ targets, delegated }: RawRepository, file: RawFile): boolean {
  return file === targets || delegated.get(file.role) === file;
}

function documentOf(where: string, file: RawFile): Document {
  return { where, file, signed: objectOf(file.signed) };
}

function ringIn(signed: JsonObject): JsonObject {
  return objectOf(objectOf(signed['delegations'])['keys']);
}

function topLevelKeys({ where, signed }: Document): readonly RoleKeys[] {
  return Object.entries(objectOf(signed['roles'])).map(([role, keys]) => ({
    where,
    role,
    ...keysOf(objectOf(keys)),
    ring: objectOf(signed['keys']),
  }));
}

function delegatedKeys({ where, signed }: Document): readonly RoleKeys[] {
  return delegatedRolesOf(signed).map((role) => ({
    where,
    role: String(role['name']),
    ...keysOf(role),
    ring: ringIn(signed),
  }));
}

function keysOf(role: JsonObject) {
  return { keyids: listOf(role['keyids']), threshold: role['threshold'] };
}

function delegationsIn({ where, signed }: Document): readonly Delegation[] {
  return delegatedRolesOf(signed).map((raw) => {
    const paths = raw['paths'];
    return {
      where,
      name: String(raw['name']),
      raw,
      paths: Array.isArray(paths) ? paths.filter((path) => typeof path === 'string') : null,
    };
  });
}

function targetsIn({ where, signed }: Document): readonly Target[] {
  return Object.entries(objectOf(signed['targets'])).map(([name, raw]) => ({
    where,
    name,
    raw: objectOf(raw),
  }));
}

function metasIn(repository: RawRepository, { where, file, signed }: Document): readonly Meta[] {
  if (file !== repository.snapshot && file !== repository.timestamp) return [];
  return Object.entries(objectOf(signed['meta'])).map(([name, raw]) => {
    const role = name.replace(/\.json$/, '');
    return { where, name, raw: objectOf(raw), file: fileNamed(repository, where, role) };
  });
}

function fileNamed(repository: RawRepository, where: string, role: string): RawFile | null {
  if (where === 'timestamp') return role === 'snapshot' ? repository.snapshot : null;
  return role === 'targets' ? repository.targets : (repository.delegated.get(role) ?? null);
}

function rootTrust({ signed }: Document): Trust {
  return {
    ...keysOf(objectOf(own(objectOf(signed['roles']), 'root'))),
    ring: objectOf(signed['keys']),
  };
}

function trustOf(
  role: string,
  roots: readonly Document[],
  delegators: readonly Document[],
): readonly Trust[] {
  const root = roots.at(-1);
  if (role === 'targets' || role === 'snapshot' || role === 'timestamp') {
    if (root === undefined) return [];
    const keys = keysOf(objectOf(own(objectOf(root.signed['roles']), role)));
    return [{ ...keys, ring: objectOf(root.signed['keys']) }];
  }
  const delegated = delegators.flatMap(delegatedKeys).find((keys) => keys.role === role);
  return delegated === undefined ? [] : [delegated];
}
