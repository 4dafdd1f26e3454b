import { exampleSigner } from '../../support/example-keys.ts';
import { signerContract } from './signer-contract.ts';

for (const name of ['root1', 'root2', 'root3'] as const) {
  signerContract(`keys-example/${name}.pem`, () => exampleSigner(name));
}
