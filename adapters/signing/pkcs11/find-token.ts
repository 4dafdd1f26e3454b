import { SigningError } from '../errors.ts';
import type { Cryptoki, Library, Token } from './cryptoki.ts';
import type { Pkcs11Uri } from './uri.ts';

/** The one token that a URI describes. Throws `signing/not-there`, `signing/ambiguous` and CryptokiError. */
export async function findToken(
  cryptoki: Cryptoki,
  { source, path }: { readonly source: string; readonly path: Pkcs11Uri['path'] },
): Promise<Token> {
  const library = await cryptoki.library();
  if (!isOfLibrary(library, path)) {
    throw new SigningError(
      'signing/not-there',
      `${source} must be in another module, got ${library.manufacturer}, ${library.description}, ${library.version}`,
    );
  }
  const tokens = await cryptoki.tokens();
  const matching = tokens.filter((token) => isToken(token, path));
  const [token, ...others] = matching;
  if (token === undefined) {
    throw new SigningError('signing/not-there', `no token is there for ${source}`, {
      hints: tokens.length === 0 ? ['the module has no token at all'] : hintsOf(tokens),
    });
  }
  if (others.length > 0) {
    throw new SigningError(
      'signing/ambiguous',
      `${source} must mean one token, got ${matching.length}`,
      { hints: hintsOf(matching) },
    );
  }
  return token;
}

function isOfLibrary(library: Library, path: Pkcs11Uri['path']): boolean {
  const version = path['library-version'];
  return (
    isSame(path['library-manufacturer'], library.manufacturer) &&
    isSame(path['library-description'], library.description) &&
    // RFC 7512, 2.3: without a minor number it is zero.
    isSame(version?.includes('.') === false ? `${version}.0` : version, library.version)
  );
}

function isToken({ slot, ...token }: Token, path: Pkcs11Uri['path']): boolean {
  const slotId = path['slot-id'];
  return (
    isSame(path.token, token.label) &&
    isSame(path.manufacturer, token.manufacturer) &&
    isSame(path.model, token.model) &&
    isSame(path.serial, token.serial) &&
    isSame(path['slot-description'], slot.description) &&
    isSame(path['slot-manufacturer'], slot.manufacturer) &&
    (slotId === undefined || BigInt(slotId) === slot.id)
  );
}

function isSame(wanted: string | undefined, got: string): boolean {
  return wanted === undefined || wanted === got;
}

function hintsOf(tokens: readonly Token[]): readonly string[] {
  return tokens.map(({ label, serial }) => `there is token=${label} with serial=${serial}`);
}
