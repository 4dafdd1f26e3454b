import * as z from 'zod';
import { parseDataRate } from '../../core/data-rate.ts';
import { ExpectedError } from '../../core/errors.ts';
import { pathAt } from '../config-text.ts';
import type { ConfigText } from '../config-text.ts';
import { isProxyUrl } from './proxy.ts';

const path = z.string().min(1);

/** `[network]` of agent.toml. */
export const networkShape = z
  .strictObject({
    proxy: z
      .string()
      .refine(isProxyUrl, 'must be like http://[user:password@]host:port')
      .optional(),
    'no-proxy': z.array(z.string().min(1)).optional(),
    ca: path.optional(),
    certificate: path.optional(),
    key: path.optional(),
    limit: z.string().transform(dataRate).optional(),
  })
  .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
    message: 'needs certificate and key together',
  });

export type NetworkSettings = {
  /** Null leaves it to the environment. */
  readonly proxy: string | null;
  readonly noProxy: readonly string[] | null;
  /** PEM files: authorities to trust beside the system's own, and what this host proves itself with. */
  readonly ca: string | null;
  readonly certificate: string | null;
  readonly key: string | null;
  /** Bytes of images per second; null is without a limit. */
  readonly limit: number | null;
};

/** As a host without the table has it. */
export const PLAIN_NETWORK: NetworkSettings = {
  ...{ proxy: null, noProxy: null, ca: null, certificate: null, key: null, limit: null },
};

/** What the table means. */
export function networkSettings(
  text: ConfigText,
  { proxy, ca, certificate, key, limit, 'no-proxy': noProxy }: z.infer<typeof networkShape>,
): NetworkSettings {
  const file = (name: string, value: string | undefined) =>
    value === undefined ? null : pathAt(text, ['network', name], value);
  return {
    ...{ proxy: proxy ?? null, noProxy: noProxy ?? null, limit: limit ?? null },
    ca: file('ca', ca),
    certificate: file('certificate', certificate),
    key: file('key', key),
  };
}

function dataRate(text: string, context: z.core.$RefinementCtx<string>): number {
  try {
    return parseDataRate(text);
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
    return z.NEVER;
  }
}
