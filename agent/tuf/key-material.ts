import { createPublicKey } from 'node:crypto';

/**
 * The numbers of a public key as metadata holds it, in hex: the same however it is encoded. tuf-js reads PEM with any white
 * space and hex in any case, so that one key can stand under several key ids.
 */
export function keyMaterial(text: string): string {
  if (!text.includes('-----BEGIN')) {
    // 04 says that both coordinates of a point follow.
    return text
      .trim()
      .toLowerCase()
      .replace(/^04(?=[0-9a-f]{128}$)/, '');
  }
  try {
    const { n, x = '', y = '' } = createPublicKey(text).export({ format: 'jwk' });
    return [n ?? x, y].map((part) => Buffer.from(part, 'base64url').toString('hex')).join('');
  } catch {
    // Nothing can be verified with it, so it counts for nothing either.
    return text;
  }
}
