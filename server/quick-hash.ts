/** Thirty-two bits of a text, signed: quick, and good enough against chance, but not against somebody who wants them equal. */
export function quickHash(text: string, seed: number): number {
  let bits = seed ^ text.length;
  for (let at = 0; at < text.length; at += 1) {
    bits = Math.imul(bits ^ text.charCodeAt(at), 0x5bd1_e995);
    bits ^= bits >>> 15;
  }
  bits = Math.imul(bits ^ (bits >>> 13), 0x85eb_ca6b);
  return bits ^ (bits >>> 16);
}
