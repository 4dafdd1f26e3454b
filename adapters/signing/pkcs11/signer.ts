import { isSignedBy, keyId } from '../../../core/tuf/keys.ts';
import type { Key } from '../../../core/tuf/keys.ts';
import { SigningError } from '../errors.ts';
import type { SecretOptions } from '../passphrase.ts';
import type { Signer } from '../signer.ts';
import { CKA } from './constants.ts';
import type { Token } from './cryptoki.ts';
import { findToken } from './find-token.ts';
import { TokenLogin } from './login.ts';
import { moduleFile } from './module-file.ts';
import { openModule } from './modules.ts';
import type { OpenModule } from './modules.ts';
import { pinsFor } from './pin.ts';
import { tokenRequest } from './token-errors.ts';
import { findPrivateKey, findPublicKey, publicHalfOf } from './token-key.ts';
import type { OnToken } from './token-key.ts';
import { tokenScheme } from './token-signature.ts';
import { describePkcs11Uri, parsePkcs11Uri } from './uri.ts';
import type { Pkcs11Uri } from './uri.ts';

type Place = {
  readonly source: string;
  readonly uri: Pkcs11Uri;
  readonly options: SecretOptions;
};

type Session = AsyncDisposable & {
  readonly on: OnToken;
  readonly token: Token;
  readonly module: OpenModule;
};

/** A private key that stays in a PKCS#11 token, by what follows `pkcs11:`. Throws SigningError. */
export async function openPkcs11Signer(rest: string, options: SecretOptions): Promise<Signer> {
  const place = placeOf(rest, options);
  const { source, uri } = place;
  if (uri.path.type !== undefined && uri.path.type !== 'private') {
    throw new SigningError('signing/source', `${source} must have type=private to sign`);
  }
  const pins = pinsFor(place);
  await using opening = new AsyncDisposableStack();
  const { on, token, module } = opening.use(await openSession(place));
  const login = opening.use(new TokenLogin(on, token, () => pins(token)));
  const { privateKey, key, asksEachTime } = await module.exclusively(() =>
    tokenRequest(source, async () => {
      await login.asUser();
      const found = await findPrivateKey(on, uri);
      const always = await on.cryptoki.attribute(on.session, found, CKA.ALWAYS_AUTHENTICATE);
      return {
        privateKey: found,
        key: await publicHalfOf(on, found),
        asksEachTime: always?.[0] === 1,
      };
    }),
  );
  if (!asksEachTime) login.forget();
  const { mechanism, input, output } = tokenScheme(key);
  const begin = () => on.cryptoki.beginSignature(on.session, { key: privateKey, mechanism });
  const sign = async (bytes: Uint8Array): Promise<string> => {
    const answer = await module.exclusively(() =>
      tokenRequest(source, async () => {
        await (asksEachTime ? login.forOneSignature(begin) : begin());
        return on.cryptoki.sign(on.session, input(bytes));
      }),
    );
    const signature = output(answer).toString('hex');
    if (isSignedBy(key, bytes, signature)) return signature;
    throw new SigningError(
      'signing/unavailable',
      `${source}: the public key in the token does not verify what the private one signed`,
    );
  };
  const open = opening.move();
  return {
    source,
    key,
    keyId: keyId(key),
    sign,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}

/** The public key of a token: with `type=public` without a PIN, else that of the private key. Throws SigningError. */
export async function openPkcs11PublicKey(rest: string, options: SecretOptions): Promise<Key> {
  const place = placeOf(rest, options);
  if (place.uri.path.type !== 'public') {
    await using signer = await openPkcs11Signer(rest, options);
    return signer.key;
  }
  await using session = await openSession(place);
  const { on, module } = session;
  return await module.exclusively(() =>
    tokenRequest(place.source, () => findPublicKey(on, place.uri)),
  );
}

function placeOf(rest: string, options: SecretOptions): Place {
  const uri = parsePkcs11Uri(rest);
  return { source: describePkcs11Uri(uri), uri, options };
}

async function openSession({ source, uri, options }: Place): Promise<Session> {
  await using opening = new AsyncDisposableStack();
  const file = await moduleFile(uri, options);
  const module = opening.use(await tokenRequest(source, () => openModule(file)));
  const { cryptoki } = module;
  const { token, session } = await module.exclusively(() =>
    tokenRequest(source, async () => {
      const found = await findToken(cryptoki, { source, path: uri.path });
      return { token: found, session: await cryptoki.openSession(found.slot.id) };
    }),
  );
  opening.defer(() => module.exclusively(() => cryptoki.closeSession(session)));
  const open = opening.move();
  return {
    on: { cryptoki, session, source },
    token,
    module,
    [Symbol.asyncDispose]: () => open.disposeAsync(),
  };
}
