const common = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['js', 'mjs', 'cjs', 'ts', 'json', 'node'],
  transform: { '\\.ts$': '<rootDir>/test/support/strip-types.mjs' },
};

// `unit` needs nothing but Node; `real` needs the programs that .ci/run installs and fails without them; `long` needs them
// too, and minutes, so that it is run by hand.
export default {
  // Two cores that do other work as well must not fail a test that only takes its time.
  testTimeout: 120_000,
  reporters: ['default', '<rootDir>/test/support/left-out-reporter.mjs'],
  projects: [
    {
      ...common,
      displayName: 'unit',
      testMatch: ['<rootDir>/test/**/*.test.ts'],
      testPathIgnorePatterns: ['\\.(?:real|long)\\.test\\.ts$'],
    },
    {
      ...common,
      displayName: 'real',
      testMatch: ['<rootDir>/test/**/*.real.test.ts'],
    },
    {
      ...common,
      displayName: 'long',
      testMatch: ['<rootDir>/test/**/*.long.test.ts'],
    },
  ],
};
