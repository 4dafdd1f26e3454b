import type { KeyTypes } from './life.ts';
import type { State } from './state.ts';
import { TRUST_STATES } from './trust-states.ts';

const RELEASE_STATES: readonly State[] = [
  {
    name: 'fresh',
    make: (life) => life.init(),
    shows: { rollouts: [], offered: [] },
  },
  {
    name: 'after one publish',
    make: (life) => life.publish('1.0.0'),
    shows: { rollouts: [], offered: [] },
  },
  {
    name: 'after three publishes',
    make: async (life) => {
      await life.publish('1.1.0', '1.0.0');
      await life.publish('1.2.0', '1.0.0', '1.1.0');
    },
    shows: { rollouts: [], offered: [] },
  },
  {
    name: 'after the start of a rollout',
    make: (life) => life.start('1.2.0'),
    shows: { rollouts: ['running'], offered: ['1.2.0'] },
  },
  {
    name: 'after pause',
    make: async (life) =>
      life.rollout('pause', await life.currentRollout(), '--reason', 'a closer look', '--yes'),
    shows: { rollouts: ['paused'], offered: [] },
  },
  {
    name: 'after resume',
    make: async (life) => life.rollout('resume', await life.currentRollout()),
    shows: { rollouts: ['running'], offered: ['1.2.0'] },
  },
  {
    name: 'after advance',
    make: async (life) => life.rollout('advance', await life.currentRollout()),
    shows: { rollouts: ['running'], offered: ['1.2.0'] },
  },
  {
    name: 'after roll back',
    make: async (life) =>
      life.rollout(
        ...[
          'rollback',
          await life.currentRollout(),
          '--to',
          '1.1.0',
          '--reason',
          'it burns',
          '--yes',
        ],
      ),
    shows: { rollouts: ['rolled-back'], offered: ['1.1.0'] },
  },
  {
    name: 'after withdraw',
    make: async (life) => {
      await life.publish('1.3.0', '1.1.0');
      const id = await life.start('1.3.0');
      await life.rollout('withdraw', id, '--reason', 'not this one', '--yes');
    },
    // What was withdrawn is still the highest version that a host may run, so no other way back is offered.
    shows: { rollouts: ['rolled-back', 'withdrawn'], offered: [] },
  },
];

/** One life of a repository, command by command. A new command that commits gets a line here or in TRUST_STATES. */
export const STATES: readonly State[] = [...RELEASE_STATES, ...TRUST_STATES];

const all = (type: KeyTypes['root1']): KeyTypes => ({
  root1: type,
  root2: type,
  root3: type,
  targets: type,
  online: type,
  release: type,
});

/** Which kind of key signs what. */
type KeyKind = { readonly name: string; readonly keys: KeyTypes };

/** Which kind of key signs what. */
export const KEY_KINDS: readonly [KeyKind, ...KeyKind[]] = [
  { name: 'ed25519 keys', keys: all('ed25519') },
  { name: 'ECDSA keys', keys: all('ecdsa-p256') },
  { name: 'RSA keys', keys: all('rsa') },
  {
    name: 'keys of every kind',
    keys: {
      ...all('ed25519'),
      root2: 'ecdsa-p256',
      root3: 'rsa',
      online: 'ecdsa-p256',
      release: 'rsa',
    },
  },
];
