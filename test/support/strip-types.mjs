// Jest runs the sources through Node's own type stripping, so tests and production execute the same code.
import { createHash } from 'node:crypto';
import { stripTypeScriptTypes } from 'node:module';

const salt = `1 ${process.version}`;

export default {
  canInstrument: false,
  process: (source) => ({ code: stripTypeScriptTypes(source) }),
  // `instrument` belongs to the key: a plain copy from the cache would read as 0 % coverage.
  getCacheKey: (source, file, { instrument, configString }) =>
    createHash('sha256')
      .update([salt, String(instrument), configString, file, source].join('\0'))
      .digest('hex'),
};
