/** Yields `size` bytes in chunks, each chunk filled with its own number, so that misplaced parts are seen. */
export async function* generated(
  size: number,
  chunkSize = 64 * 1024,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0, chunk = 0; at < size; at += chunkSize, chunk += 1) {
    yield new Uint8Array(Math.min(chunkSize, size - at)).fill(chunk % 251);
  }
}

export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}
