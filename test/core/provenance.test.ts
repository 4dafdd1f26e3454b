import { describe, expect, it } from '@jest/globals';
import { parseProvenance, requireSubjects } from '../../core/provenance.ts';

const HASH = 'ab'.repeat(32);
const STATEMENT = {
  _type: 'https://in-toto.io/Statement/v1',
  subject: [{ name: 'root.img', digest: { sha256: HASH, sha512: 'cd' } }],
  predicateType: 'https://slsa.dev/provenance/v1',
  predicate: {
    buildDefinition: {
      buildType: 'https://actions.github.io/buildtypes/workflow/v1',
      externalParameters: {},
      resolvedDependencies: [
        { uri: 'git+https://example.com/os@refs/heads/main', digest: { gitCommit: '12ab' } },
      ],
    },
    runDetails: { builder: { id: 'https://example.com/builder' } },
  },
};
const READ = {
  predicateType: 'https://slsa.dev/provenance/v1',
  builderId: 'https://example.com/builder',
  buildType: 'https://actions.github.io/buildtypes/workflow/v1',
  source: { uri: 'git+https://example.com/os@refs/heads/main', digest: { gitCommit: '12ab' } },
  subjects: STATEMENT.subject,
};

const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const envelope = (payload: unknown, payloadType = 'application/vnd.in-toto+json') => ({
  payloadType,
  payload: Buffer.from(JSON.stringify(payload)).toString('base64'),
  signatures: [{ sig: 'AA==' }],
});

describe('parseProvenance', () => {
  it.each([
    { case: 'a plain statement', value: STATEMENT },
    { case: 'a DSSE envelope', value: envelope(STATEMENT) },
    {
      case: 'a Sigstore bundle',
      value: {
        mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
        verificationMaterial: {},
        dsseEnvelope: envelope(STATEMENT),
      },
    },
  ])('reads builder, build type, source and subjects of $case', ({ value }) => {
    expect(parseProvenance(bytes(value))).toEqual(READ);
  });

  it('reads SLSA 0.2 in a statement of version 0.1', () => {
    const old = {
      ...STATEMENT,
      _type: 'https://in-toto.io/Statement/v0.1',
      predicateType: 'https://slsa.dev/provenance/v0.2',
      predicate: {
        builder: { id: 'https://example.com/builder' },
        buildType: 'https://example.com/make@v1',
        invocation: { configSource: { uri: 'git+https://example.com/os', digest: { sha1: '1f' } } },
      },
    };
    expect(parseProvenance(bytes(old))).toMatchObject({
      builderId: 'https://example.com/builder',
      buildType: 'https://example.com/make@v1',
      source: { uri: 'git+https://example.com/os', digest: { sha1: '1f' } },
    });
  });

  it.each([
    { case: 'another predicate', change: { predicateType: 'https://spdx.dev/Document' } },
    { case: 'no predicate', change: { predicate: undefined } },
    { case: 'a predicate of another shape', change: { predicate: [] } },
  ])('knows nothing of the build, but its subjects, from $case', ({ change }) => {
    expect(parseProvenance(bytes({ ...STATEMENT, ...change }))).toMatchObject({
      ...{ builderId: null, buildType: null, source: null },
      subjects: STATEMENT.subject,
    });
  });

  it.each([
    { case: 'another kind of JSON', value: { name: 'x' } },
    { case: 'no subjects', value: { ...STATEMENT, subject: [] } },
    { case: 'another type of statement', value: { ...STATEMENT, _type: 'statement' } },
    { case: 'an envelope of something else', value: envelope(STATEMENT, 'text/plain') },
    { case: 'an envelope around no statement', value: envelope({ a: 1 }) },
    { case: 'a payload that is no base64', value: { ...envelope(1), payload: '%' } },
  ])('refuses $case', ({ value }) => {
    expect(() => parseProvenance(bytes(value))).toThrow(
      expect.objectContaining({ code: 'provenance/format' }),
    );
  });

  it('refuses what is no JSON', () => {
    expect(() => parseProvenance(Uint8Array.of(0xff, 0x00))).toThrow(
      expect.objectContaining({ code: 'provenance/format' }),
    );
  });
});

describe('requireSubjects', () => {
  const provenance = parseProvenance(bytes(STATEMENT));

  it('finds an image by its stored or its raw hash', () => {
    for (const sha256s of [
      [HASH, 'other'],
      ['other', HASH],
    ]) {
      requireSubjects(provenance, [{ image: 'root', sha256s }]);
    }
  });

  it('refuses an image that no subject speaks of', () => {
    const images = [
      { image: 'root', sha256s: [HASH] },
      { image: 'boot', sha256s: ['cd', 'other'] },
    ];
    expect(() => requireSubjects(provenance, images)).toThrow(
      expect.objectContaining({ code: 'provenance/subject' }),
    );
  });
});
