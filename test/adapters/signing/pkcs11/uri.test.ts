import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  describePkcs11Uri,
  formatPkcs11Uri,
  parsePkcs11Uri,
} from '../../../../adapters/signing/pkcs11/uri.ts';
import type { Pkcs11Uri } from '../../../../adapters/signing/pkcs11/uri.ts';
import { SigningError } from '../../../../adapters/signing/errors.ts';

function failureOf(rest: string): SigningError {
  try {
    parsePkcs11Uri(rest);
  } catch (error) {
    if (error instanceof SigningError) return error;
    throw error;
  }
  throw new Error(`${rest} was accepted`);
}

describe('parsePkcs11Uri', () => {
  it('reads every attribute of RFC 7512', () => {
    const uri = parsePkcs11Uri(
      'library-manufacturer=ACME%20Ltd;library-description=lib;library-version=2.6;slot-manufacturer=m;' +
        'slot-description=USB%20%2F1;slot-id=17;manufacturer=SoftHSM%20project;model=v2;serial=d14b;' +
        'token=%EF%BB%BFCaf%C3%A9;type=private;object=a&b;id=%00%ffA?' +
        'module-name=softhsm2&module-path=/usr/lib/x.so&pin-source=file:/etc/pin',
    );
    expect(uri).toEqual({
      path: {
        'library-manufacturer': 'ACME Ltd',
        'library-description': 'lib',
        'library-version': '2.6',
        'slot-manufacturer': 'm',
        'slot-description': 'USB /1',
        'slot-id': '17',
        manufacturer: 'SoftHSM project',
        model: 'v2',
        serial: 'd14b',
        token: '\uFEFFCafé',
        type: 'private',
        object: 'a&b',
      },
      id: Uint8Array.of(0, 0xff, 0x41),
      query: {
        'module-name': 'softhsm2',
        'module-path': '/usr/lib/x.so',
        'pin-source': 'file:/etc/pin',
      },
    });
  });

  it('takes a plus as a plus, and passes over what a vendor adds to the query', () => {
    const { path, query } = parsePkcs11Uri('object=a+b?x-acme=1&pin-value=12?34/5&x-acme=2');
    expect({ path, query }).toEqual({ path: { object: 'a+b' }, query: { 'pin-value': '12?34/5' } });
  });

  it.each([
    ['nothing', ''],
    ['a query alone', '?module-name=softhsm2'],
    ['an attribute that does not exist', 'tokem=a'],
    ['a query attribute that does not exist', 'token=a?module=softhsm2'],
    ['an attribute of a vendor that could only match nothing', 'token=a;x-acme=1'],
    ['a query attribute in the path', 'token=a;pin-value=1234'],
    ['a path attribute in the query', 'token=a?object=b'],
    ['an attribute in capitals', 'Token=a'],
    ['the name of a property that every object has', 'constructor=a'],
    ['the same attribute twice', 'token=a;token=a'],
    ['the same query attribute twice', 'token=a?module-name=a&module-name=b'],
    ['an empty value', 'token='],
    ['an empty id', 'id='],
    ['an empty query', 'token=a?'],
    ['an attribute without a value', 'token'],
    ['a separator too many', 'token=a;;object=b'],
    ['a separator at the end', 'token=a;'],
    ['a space', 'token=my token'],
    ['a slash in the path', 'token=a/b'],
    ['a fragment', 'token=a#b'],
    ['a letter outside ASCII', 'token=Café'],
    ['a percent sign alone', 'token=100%'],
    ['half an escape', 'token=a%2'],
    ['an escape that is no hex', 'token=%GG'],
    ['text that is not UTF-8', 'token=%FF'],
    ['a zero byte in text', 'token=a%00b'],
    ['a line break', 'token=a\nb'],
    ['a type that does not exist', 'object=a;type=key'],
    ['a slot that is no number', 'slot-id=0x10'],
    ['a library version that is no version', 'library-version=2.6.1'],
    ['a PIN and where to find it', 'token=a?pin-value=1&pin-source=/etc/pin'],
  ])('refuses %s', (_, rest) => {
    expect(failureOf(rest).code).toBe('signing/source');
  });

  it.each([
    ['token=a?pin-value=4711%GG'],
    ['token=a?pin-value=4711&pin-value=4711'],
    ['token=a?pin-value=4711&pin-source=4711'],
    ['token=a?4711'],
    ['token=a;pin-value=4711'],
    ['token=a?pin-vallue=4711'],
  ])('does not repeat a PIN that is given wrongly: %s', (rest) => {
    expect(failureOf(rest).message).not.toContain('4711');
  });

  it('reads back whatever it prints', () => {
    fc.assert(
      fc.property(uris, (uri) => {
        const printed = formatPkcs11Uri(uri);
        expect(printed).toMatch(/^pkcs11:[\x21-\x7e]+$/);
        const read = parsePkcs11Uri(printed.slice('pkcs11:'.length));
        expect(read).toEqual(uri);
        expect(formatPkcs11Uri(read)).toBe(printed);
      }),
      { seed: 7512, numRuns: 500 },
    );
  });
});

describe('describePkcs11Uri', () => {
  it('says everything but the PIN', () => {
    const uri = parsePkcs11Uri('token=a;id=%01?pin-value=4711&module-name=softhsm2');
    expect(describePkcs11Uri(uri)).toBe('pkcs11:token=a;id=%01?module-name=softhsm2');
  });
});

const value = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 20 })
  .filter((text) => !text.includes('\0'));
const digits = fc.bigInt({ min: 0n, max: 2n ** 62n }).map(String);
const uris: fc.Arbitrary<Pkcs11Uri> = fc
  .record({
    path: fc.record(
      {
        'library-manufacturer': value,
        'library-description': value,
        'library-version': fc.constantFrom('2', '2.6', '255.255'),
        'slot-manufacturer': value,
        'slot-description': value,
        'slot-id': digits,
        manufacturer: value,
        model: value,
        serial: value,
        token: value,
        type: fc.constantFrom('private', 'public', 'cert', 'secret-key', 'data'),
        object: value,
      },
      { requiredKeys: [] },
    ),
    id: fc.option(fc.uint8Array({ minLength: 1, maxLength: 20 })),
    query: fc.record(
      { 'module-name': value, 'module-path': value, 'pin-source': value },
      { requiredKeys: [] },
    ),
  })
  .filter(({ path, id }) => id !== null || Object.keys(path).length > 0);
