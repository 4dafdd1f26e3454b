import { BlockList, isIP } from 'node:net';
import { AgentError } from '../errors.ts';

/** What is reached without a proxy. */
export type NoProxy = {
  isDirect(url: URL): boolean;
};

/**
 * Reads entries as NO_PROXY has them: `*`, a name (with all names below it; a dot or `*.` before it changes nothing), an
 * address or a network like `10.0.0.0/8`, and each of them but a network with a port. `origin` is named where one is none.
 */
export function parseNoProxy(entries: readonly string[], origin: string): NoProxy {
  const rules = entries.filter((entry) => entry !== '').map((entry) => ruleOf(entry, origin));
  return { isDirect: (url) => rules.some((isHit) => isHit(hostOf(url), portOf(url))) };
}

type Rule = (host: string, port: number) => boolean;

function ruleOf(entry: string, origin: string): Rule {
  if (entry === '*') return () => true;
  if (entry.includes('/')) return networkRule(entry, origin);
  const bare = isIP(entry) === 0 ? withPort(entry) : { name: entry, port: null };
  const name = bare.name.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const isPort = (port: number) => bare.port === null || bare.port === port;
  const version = isIP(name);
  if (version !== 0) {
    const list = new BlockList();
    list.addAddress(name, familyOf(version));
    return (host, port) => isPort(port) && isIn(list, host);
  }
  const domain = name.replace(/^\*?\./, '');
  if (!/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/.test(domain)) throw wrong(entry, origin);
  const below = `.${domain.replace(/\.$/, '')}`;
  return (host, port) => isPort(port) && `.${host}`.endsWith(below);
}

function networkRule(entry: string, origin: string): Rule {
  const [, address = '', bits = ''] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(entry) ?? [];
  const version = isIP(address);
  if (version === 0 || Number(bits) > (version === 4 ? 32 : 128)) throw wrong(entry, origin);
  const list = new BlockList();
  list.addSubnet(address, Number(bits), familyOf(version));
  return (host) => isIn(list, host);
}

function withPort(entry: string): { readonly name: string; readonly port: number | null } {
  const [, name = entry, port = ''] = /^(.*):(\d{1,5})$/.exec(entry) ?? [];
  return { name, port: port === '' ? null : Number(port) };
}

function isIn(list: BlockList, host: string): boolean {
  const version = isIP(host);
  return version !== 0 && list.check(host, familyOf(version));
}

function familyOf(version: number): 'ipv4' | 'ipv6' {
  return version === 4 ? 'ipv4' : 'ipv6';
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
}

function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port);
  return protocol === 'https:' ? 443 : 80;
}

function wrong(entry: string, origin: string): AgentError {
  return new AgentError(
    'agent/config',
    `${origin}: must hold names, addresses and networks like 10.0.0.0/8, got ${JSON.stringify(entry)}`,
  );
}
