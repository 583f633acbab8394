/** What a key of `methods` in a policy is about. */
export interface MethodKey {
  /** The same for two keys that say the same. */
  readonly same: string;
  /** The HTTP method of a key of REST; undefined for one of RPC. */
  readonly method: string | undefined;
  /** Whether it fits a path, for a key of REST. */
  readonly fits: (path: string) => boolean;
  /** Sorts keys of REST: of two that fit, the one that comes first is the more specific. */
  readonly rank: string;
}

const rest = /^(\S+) +(\/\S*)$/;
const rpcMethod = /^[A-Za-z_]\w*$/;
const rpcFull = /^[A-Za-z_][\w.]*\/(?:[A-Za-z_]\w*|\*)$/;
const token = /^[A-Z][A-Z0-9-]*$/;
const plainSegment = /^[\w\-.~!$&'()+,;=@%]*$/;

/**
 * What name an RPC has as a key: clients in JavaScript write the first letter small, protos large, and both are meant.
 */
export function rpcName(method: string): string {
  return method.charAt(0).toLowerCase() + method.slice(1);
}

function refuse(who: string, key: string, why: string): never {
  throw new TypeError(`Cannot make ${who}: ${JSON.stringify(key)} can never match: ${why}`);
}

/** One letter for each segment, so that texts compare as patterns do: a literal before a parameter before all the rest. */
function rankOf(segment: string): string {
  return segment.startsWith(":") ? "b" : segment === "*" ? "c" : "a";
}

function restKey(who: string, key: string, method: string, path: string): MethodKey {
  if (!token.test(method)) {
    refuse(who, key, `methods are written in capitals; write "${method.toUpperCase()} ${path}"`);
  }
  if (/[?#]/.test(path)) refuse(who, key, "the path ends before the query; leave the query out");
  const segments = path.slice(1).split("/");
  segments.forEach((segment, index) => {
    if (segment === "*" && index === segments.length - 1) return;
    if (segment === "." || segment === "..") refuse(who, key, `no request has a segment "${segment}"`);
    if (segment.startsWith(":") && /^\w+$/.test(segment.slice(1))) return;
    if (segment.startsWith(":") || !plainSegment.test(segment)) {
      refuse(
        who,
        key,
        `its segment "${segment}" is no part of a path; write text as it is encoded in URLs, :name for one segment, or * at the end for all that follow`,
      );
    }
  });
  const source = segments.map((segment) =>
    segment === "*" ? ".*" : segment.startsWith(":") ? "[^/]+" : segment.replace(/[.$()+*]/g, "\\$&"),
  );
  const pattern = new RegExp(`^/${source.join("/")}$`);
  const shape = segments.map((segment) => (segment.startsWith(":") ? ":" : segment)).join("/");
  return {
    same: `${method} /${shape}`,
    method,
    fits: (given) => pattern.test(given),
    rank: segments.map(rankOf).join(""),
  };
}

/**
 * Reads a key: `QueryRows`, `package.Service/Method`, `package.Service/*`, `GET /datasets/:name` or `GET /exports/*`.
 *
 * @throws TypeError for a key that no call can match
 */
export function methodKeyFrom(who: string, key: string): MethodKey {
  const [, method, path] = rest.exec(key) ?? [];
  if (method !== undefined && path !== undefined) return restKey(who, key, method, path);
  if (rpcFull.test(key) || rpcMethod.test(key)) {
    const same = rpcMethod.test(key) ? rpcName(key) : key;
    return { same, method: undefined, fits: () => false, rank: "" };
  }
  if (key.startsWith("/")) refuse(who, key, `it has no HTTP method; write "GET ${key}"`);
  if (/^[A-Za-z_][\w.]*$/.test(key)) {
    refuse(who, key, `it names an RPC service and no method; write "${key}/*" for all of its methods`);
  }
  return refuse(
    who,
    key,
    'write the name of an RPC method ("QueryRows", "package.Service/QueryRows", "package.Service/*"), or method and path of REST ("GET /datasets/:name")',
  );
}
