import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { SecureContext } from 'node:tls';
import { openPace } from './pace.ts';
import type { Pace } from './pace.ts';
import { proxyChoice } from './proxy.ts';
import type { ChooseProxy, Environment } from './proxy.ts';
import { TlsTrust } from './trust.ts';
import type { NetworkSettings } from './settings.ts';

/** As the connections of Node's own agents: kept for the next request, but not for long. */
const CONNECTIONS = { keepAlive: true, scheduling: 'lifo', timeout: 5000 } as const;

/** How requests leave this host. */
export class Network {
  /** For images alone: what is small must not wait behind them. */
  readonly imagePace: Pace;
  readonly #proxyFor: ChooseProxy;
  readonly #trust: TlsTrust;
  readonly #hasFiles: boolean;
  readonly #plain = new Map<string, HttpAgent>();
  /** Kept together with what they trust: a new certificate needs new connections. */
  readonly #tls = new Map<
    string,
    { readonly context: SecureContext; readonly agent: HttpsAgent }
  >();

  /** Throws `agent/config` for a proxy that is none. */
  constructor(settings: NetworkSettings, environment: Environment) {
    this.imagePace = openPace(settings.limit);
    this.#proxyFor = proxyChoice(settings, environment);
    this.#trust = new TlsTrust(settings, environment);
    this.#hasFiles = settings.ca !== null || settings.certificate !== null;
  }

  /** What a request for this URL is sent by. Throws `agent/config` for files that cannot be read or used. */
  async agentFor(url: URL): Promise<HttpAgent> {
    const proxy = this.#proxyFor(url) ?? '';
    const proxyEnv = { HTTP_PROXY: proxy, HTTPS_PROXY: proxy };
    if (url.protocol !== 'https:') {
      const agent = this.#plain.get(proxy) ?? new HttpAgent({ ...CONNECTIONS, proxyEnv });
      this.#plain.set(proxy, agent);
      return agent;
    }
    const context = await this.#trust.context();
    const last = this.#tls.get(proxy);
    if (last?.context === context) return last.agent;
    // The one before is not ended: a request may be under way in it.
    const agent = new HttpsAgent({ ...CONNECTIONS, proxyEnv, secureContext: context });
    this.#tls.set(proxy, { context, agent });
    return agent;
  }

  /** Finds out at once what else the first request over TLS would. Throws `agent/config`. */
  async check(): Promise<void> {
    if (this.#hasFiles) await this.#trust.context();
  }
}
