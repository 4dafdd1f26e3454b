import { z } from 'zod';
import { SigningError } from '../errors.ts';

// RFC 7512, 2.3. What is absent does not narrow the search.
const text = z.string().optional();
const pathSchema = z
  .strictObject({
    'library-manufacturer': text,
    'library-description': text,
    'library-version': z
      .string()
      .regex(/^\d{1,3}(?:\.\d{1,3})?$/, 'must be like 2 or 2.6')
      .optional(),
    'slot-manufacturer': text,
    'slot-description': text,
    'slot-id': z
      .string()
      .regex(/^\d{1,19}$/, 'must be a whole number')
      .optional(),
    manufacturer: text,
    model: text,
    serial: text,
    token: text,
    type: z
      .enum(
        ['private', 'public', 'cert', 'secret-key', 'data'],
        'must be private, public, cert, secret-key or data',
      )
      .optional(),
    object: text,
  })
  .readonly();
const querySchema = z
  .strictObject({
    'module-name': text,
    'module-path': text,
    'pin-source': text,
    'pin-value': text,
  })
  .readonly();

/** A key in a PKCS#11 token, as RFC 7512 names it; all text is decoded. */
export type Pkcs11Uri = {
  readonly path: z.infer<typeof pathSchema>;
  /** CKA_ID, which is bytes and not text. */
  readonly id: Uint8Array | null;
  readonly query: z.infer<typeof querySchema>;
};

type Component = {
  readonly separator: ';' | '&';
  /** What may stand in a value unencoded, beside %XX. */
  readonly allowed: RegExp;
  readonly names: ReadonlySet<string>;
};

const PATH: Component = {
  separator: ';',
  allowed: /^(?:[A-Za-z0-9._~:[\]@!$'()*+,=&-]|%[0-9A-Fa-f]{2})*$/,
  names: new Set([...Object.keys(pathSchema.unwrap().shape), 'id']),
};
const QUERY: Component = {
  separator: '&',
  allowed: /^(?:[A-Za-z0-9._~:[\]@!$'()*+,=/?|-]|%[0-9A-Fa-f]{2})*$/,
  names: new Set(Object.keys(querySchema.unwrap().shape)),
};
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Parses what follows `pkcs11:`; no message repeats a value, since one may be a PIN. Throws `signing/source`. */
export function parsePkcs11Uri(rest: string): Pkcs11Uri {
  const mark = rest.indexOf('?');
  const pathText = mark === -1 ? rest : rest.slice(0, mark);
  if (pathText === '') throw wrong('it must say which key, by token, object or id');
  const { id, ...path } = attributesOf(pathText, PATH);
  const query = mark === -1 ? {} : attributesOf(rest.slice(mark + 1), QUERY);
  const uri = {
    path: checked(pathSchema, textsOf(path)),
    id: id ?? null,
    query: checked(querySchema, textsOf(query)),
  };
  if (uri.query['pin-source'] !== undefined && uri.query['pin-value'] !== undefined) {
    throw wrong('pin-source and pin-value exclude each other');
  }
  return uri;
}

/** The one spelling of this URI, without a PIN that it holds: for messages. */
export function describePkcs11Uri({ path, id, query }: Pkcs11Uri): string {
  const { 'pin-value': _, ...shown } = query;
  return formatPkcs11Uri({ path, id, query: shown });
}

/** The URI with its scheme; `parsePkcs11Uri` reads the same back. */
export function formatPkcs11Uri({ path, id, query }: Pkcs11Uri): string {
  const hex = id === null ? '' : Buffer.from(id).toString('hex');
  const inPath = [
    ...Object.entries(path).map(([name, value]) => `${name}=${encodeURIComponent(value ?? '')}`),
    // The RFC wants each byte of an id encoded.
    ...(id === null ? [] : [`id=${hex.replace(/../g, '%$&')}`]),
  ];
  const inQuery = Object.entries(query).map(
    ([name, value]) => `${name}=${encodeURIComponent(value ?? '').replaceAll('%2F', '/')}`,
  );
  return `pkcs11:${inPath.join(';')}${inQuery.length === 0 ? '' : `?${inQuery.join('&')}`}`;
}

function attributesOf(
  component: string,
  { separator, allowed, names }: Component,
): Readonly<Record<string, Uint8Array>> {
  const found: Record<string, Uint8Array> = {};
  for (const attribute of component.split(separator)) {
    const equals = attribute.indexOf('=');
    const name = equals === -1 ? attribute : attribute.slice(0, equals);
    const value = equals === -1 ? '' : attribute.slice(equals + 1);
    // RFC 7512, 2.4: a vendor's attribute in the query may be passed over, one in the path would match nothing.
    if (separator === '&' && /^x-[A-Za-z0-9_-]+$/.test(name) && equals !== -1) continue;
    if (!names.has(name)) throw wrong(`it holds an attribute that is not known${shownName(name)}`);
    if (name in found) throw wrong(`it gives ${name} twice`);
    if (value === '') throw wrong(`its ${name} is empty`);
    if (!allowed.test(value)) {
      throw wrong(`its ${name} holds characters that must be percent-encoded`);
    }
    found[name] = decoded(value);
  }
  return found;
}

function decoded(value: string): Uint8Array {
  const parts = value.match(/%..|[^%]/g) ?? [];
  return Uint8Array.from(parts, (part) =>
    part.length === 1 ? part.charCodeAt(0) : Number.parseInt(part.slice(1), 16),
  );
}

function textsOf(values: Readonly<Record<string, Uint8Array>>): Record<string, string> {
  const entries = Object.entries(values).map(([name, bytes]) => {
    try {
      const value = UTF8.decode(bytes);
      if (!value.includes('\0')) return [name, value] as const;
    } catch {
      // Said below, as for a zero byte.
    }
    throw wrong(`its ${name} must be text in UTF-8`);
  });
  return Object.fromEntries(entries);
}

function checked<T>(schema: z.ZodType<T>, values: Record<string, string>): T {
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw wrong(`its ${issue?.path.join('.')} ${issue?.message}`);
}

function shownName(name: string): string {
  // Anything else may be a secret that stands in the wrong place.
  return /^[a-z][a-z-]{0,29}$/.test(name) ? `: ${name}` : '';
}

function wrong(why: string): SigningError {
  return new SigningError('signing/source', `a pkcs11: key is given wrongly: ${why}`, {
    hints: ['like pkcs11:token=Release;object=release-2026?module-path=/usr/lib/pkcs11/module.so'],
  });
}
