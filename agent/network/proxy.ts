import { AgentError } from '../errors.ts';
import { parseNoProxy } from './no-proxy.ts';
import type { NetworkSettings } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Which proxy a URL is asked through: its own URL, with credentials if it has some; null is none. */
export type ChooseProxy = (url: URL) => string | null;

/**
 * From the settings, else from HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the environment (in either case; lower case
 * first). Throws `agent/config` for what is no proxy, without its password.
 */
export function proxyChoice(
  { proxy, noProxy }: Pick<NetworkSettings, 'proxy' | 'noProxy'>,
  environment: Environment,
): ChooseProxy {
  const fromEnvironment = (name: string) => {
    const upper = name.toUpperCase();
    return environment[name] ?? environment[upper] ?? '';
  };
  const chosen =
    proxy === null
      ? {
          'https:': checked(fromEnvironment('https_proxy'), 'HTTPS_PROXY'),
          'http:': checked(fromEnvironment('http_proxy'), 'HTTP_PROXY'),
        }
      : { 'https:': proxy, 'http:': proxy };
  const direct =
    noProxy === null
      ? parseNoProxy(fromEnvironment('no_proxy').split(/[\s,]+/), 'NO_PROXY')
      : parseNoProxy(noProxy, 'network.no-proxy');
  return (url) => {
    const through = url.protocol === 'https:' ? chosen['https:'] : chosen['http:'];
    return through === null || direct.isDirect(url) ? null : through;
  };
}

/** Whether this text is the URL of a proxy as we can use it. */
export function isProxyUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.hostname !== '' && url.search === '';
}

function checked(text: string, origin: string): string | null {
  if (text === '') return null;
  if (isProxyUrl(text)) return text;
  const kind = /^([a-z0-9+.-]+):/i.exec(text)?.[1] ?? 'none';
  throw new AgentError(
    'agent/config',
    `${origin} must be like http://[user:password@]host:port, got one with the scheme '${kind}'`,
  );
}
