import type { Endpoint } from "../core/endpoint.ts";
import { ignoreRejection, isThenable, quietHook, reportLost } from "../core/hooks.ts";
import { checkFunction, checkOptions, type OptionKeys } from "../core/options.ts";
import { borrowedSource, checkedSource, isSource, type Source } from "../core/source.ts";
import { checkServerIdentity } from "../security/server-identity.ts";
import type { Resolution, Resolver } from "./resolver.ts";

const knownStaticResolverOptions: OptionKeys<StaticResolverOptions> = { onRefused: true };

/** The endpoints of one service: as origins, or with details. */
export type StaticEndpoints = readonly (string | Endpoint)[];

/** The services of a {@link staticResolver}: each name with its endpoints, or with a source of them. */
export type StaticServices = Readonly<Record<string, StaticEndpoints | Source<StaticEndpoints>>>;

/** Options of {@link staticResolver}. */
export interface StaticResolverOptions {
  /** Told why a new list of endpoints was refused; the one before stays in use. @default console.error */
  readonly onRefused?: (error: unknown, service: string) => void;
}

const who = "staticResolver()";
const knownEndpoint: OptionKeys<Endpoint> = {
  origin: true,
  weight: true,
  zone: true,
  protocols: true,
  tls: true,
};

function endpointFrom(service: string, index: number, given: string | Endpoint): Endpoint {
  const where = `endpoint ${index + 1} of ${JSON.stringify(service)}`;
  const wrong = (what: string, remedy: string): TypeError =>
    new TypeError(`Cannot make ${who}: ${where} ${what}; ${remedy}`);
  const origin: unknown = typeof given === "object" && given !== null ? given.origin : given;
  if (typeof origin !== "string") {
    throw wrong("has no origin", 'pass a string such as "https://10.0.0.7:7101" or an object with one');
  }
  const shown = JSON.stringify(origin);
  const url = URL.parse(origin);
  if (url === null) throw wrong(`is ${shown}, which is no URL`, "pass scheme, host and port");
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw wrong(`is ${shown}, which is neither http nor https`, "pass one that is");
  }
  if (url.username !== "" || url.password !== "") {
    // The message must not repeat the secret.
    throw wrong(`(${url.host}) holds a user name or password`, "pass credentials to the client instead");
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw wrong(`is ${shown}, which goes beyond scheme, host and port`, `pass "${url.origin}"`);
  }
  if (typeof given === "string") return Object.freeze({ origin: url.origin });
  checkOptions(`${who}: ${where}`, given, knownEndpoint);
  const { weight, protocols } = given;
  if (weight !== undefined && !(typeof weight === "number" && weight > 0 && weight < Infinity)) {
    throw wrong(`has the weight ${String(weight)}`, "pass a number above 0 or leave it out");
  }
  if (protocols !== undefined && !isProtocolList(protocols)) {
    throw wrong(
      `has the protocols ${JSON.stringify(protocols)}`,
      'pass some of "grpc", "grpc-web", "connect"',
    );
  }
  const { tls } = given;
  checkServerIdentity(`${who}: ${where}`, tls);
  if (tls !== undefined && url.protocol === "http:") {
    throw wrong("says who its server must be (tls), which nobody can verify in the clear", "use https://");
  }
  return Object.freeze({ ...given, origin: url.origin });
}

function isProtocolList(list: unknown): boolean {
  const known: readonly unknown[] = ["grpc", "grpc-web", "connect"];
  return Array.isArray(list) && list.length > 0 && list.every((protocol) => known.includes(protocol));
}

/** @param mayBeEmpty - a list that never changes would be a mistake then; one that does may fill up again */
function endpointsFrom(service: string, given: StaticEndpoints, mayBeEmpty: boolean): readonly Endpoint[] {
  if (service.trim() === "") {
    throw new TypeError(`Cannot make ${who}: a service has an empty name; give it the name that callers use`);
  }
  const name = JSON.stringify(service);
  if (!Array.isArray(given)) {
    throw new TypeError(
      `Cannot make ${who}: the endpoints of ${name} are no array; put the origin in brackets`,
    );
  }
  if (given.length === 0 && !mayBeEmpty) {
    throw new TypeError(`Cannot make ${who}: ${name} has no endpoints; list at least one or leave it out`);
  }
  const endpoints = given.map((each, index) => endpointFrom(service, index, each));
  const seen = new Set<string>();
  for (const { origin } of endpoints) {
    if (seen.has(origin)) {
      throw new TypeError(
        `Cannot make ${who}: ${name} lists ${origin} twice; list it once, with a weight if it shall get more`,
      );
    }
    seen.add(origin);
  }
  return Object.freeze(endpoints);
}

/**
 * A resolver of the services and endpoints that are written down here.
 *
 * Everything is checked at once, because a typo in an address would otherwise show up as an outage. A list may be a
 * source: each new one is checked as a whole, and one that is refused leaves the one before in use. Sources belong to
 * the program that made them: the resolver stops watching when it is closed, and does not close them.
 *
 * @example
 * ```ts
 * const resolver = staticResolver({
 *   lake: ["https://10.0.0.7:7101", "https://10.0.0.8:7101"],
 *   stream: [{ origin: "https://10.0.0.9:7201", weight: 2 }],
 * });
 * ```
 * @throws TypeError when a name is empty, a list is empty or has an origin twice, or an address is not
 *   just scheme, host and port
 */
export function staticResolver(services: StaticServices, options: StaticResolverOptions = {}): Resolver {
  if (
    typeof services !== "object" ||
    services === null ||
    Symbol.iterator in services ||
    isThenable(services)
  ) {
    throw new TypeError(
      `Cannot make ${who}: its services are no object; pass { name: ["https://host:port"] }`,
    );
  }
  checkOptions(who, options, knownStaticResolverOptions);
  const onRefused = quietHook(
    checkFunction(who, "onRefused", options.onRefused) ??
      ((error, service) => reportLost(`The new list of endpoints of ${service}`, error)),
  );
  const table = new Map<string, Source<readonly Endpoint[]>>();
  for (const [service, given] of Object.entries(services)) {
    const source = checkedSource(
      borrowedSource<StaticEndpoints>(given),
      (endpoints) => endpointsFrom(service, endpoints, isSource(given)),
      (error) => onRefused(error, service),
    );
    table.set(service, source);
  }
  const names = Object.freeze([...table.keys()]);
  return {
    // Without its `close`: ending one resolution must not end the others of the service.
    resolve: (service): Resolution | undefined => {
      const source = table.get(service);
      return source && borrowedSource(source);
    },
    services: () => names,
    close() {
      for (const source of table.values()) ignoreRejection(source.close?.());
    },
  };
}
