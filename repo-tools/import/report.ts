import type { Difference } from '../../core/import/difference.ts';
import type { RiseReport } from '../../core/import/rise.ts';
import type { Policy } from '../../core/wave.ts';
import type { FollowedRole } from './follow.ts';

export type ImportedFile = {
  readonly target: string;
  /** What the source calls it. */
  readonly source: string;
  readonly length: number;
  readonly sha256: string;
};

export type ImportedRollout = {
  readonly rolloutId: string;
  readonly startAt: string;
  readonly policy: Policy;
  /** Seeds let through at the import. */
  readonly tide: number;
  readonly rise: RiseReport;
};

export type ImportedRelease = {
  readonly variant: string;
  readonly arch: string;
  readonly version: string;
  readonly outcome: 'imported' | 'already-imported' | 'to-import';
  readonly files: readonly ImportedFile[];
  /** Bytes that came, or in a dry run would come, from the source. */
  readonly bytes: number;
  readonly rollout: ImportedRollout | null;
};

export type ImportReport = {
  readonly dryRun: boolean;
  readonly sources: readonly {
    readonly metadata: string;
    readonly targets: string;
    readonly roles: readonly FollowedRole[];
  }[];
  readonly releases: readonly ImportedRelease[];
  readonly differences: readonly Difference[];
  readonly bytes: number;
};
