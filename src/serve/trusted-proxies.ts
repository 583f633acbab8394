/** An address as its 16 bytes; an IPv4 address as the IPv6 address that stands for it. Undefined for anything else. */
export function addressBytes(text: string): Uint8Array | undefined {
  const v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (v4 !== null) {
    const last = v4.slice(1).map(Number);
    if (last.some((byte) => byte > 255)) return undefined;
    return new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...last]);
  }
  const url = /^[\da-fA-F:.]*:[\da-fA-F:.]*$/.test(text) && `http://[${text}]/`;
  if (!url || !URL.canParse(url)) return undefined;
  // The URL parser writes every IPv6 address in hexadecimal groups.
  const [head = "", tail] = new URL(url).hostname.slice(1, -1).split("::");
  const groups = (part: string | undefined): number[] =>
    part === undefined || part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const first = groups(head);
  const last = groups(tail);
  const all = [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
  return new Uint8Array(all.flatMap((group) => [group >> 8, group & 255]));
}

interface Range {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

function rangeOf(who: string, given: unknown): Range {
  const [, address = "", prefix] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(String(given)) ?? [];
  const bytes = addressBytes(address);
  const width = address.includes(":") ? 128 : 32;
  const length = prefix === undefined ? width : Number(prefix);
  if (typeof given !== "string" || bytes === undefined || length > width) {
    throw new TypeError(
      `Cannot make ${who}: trustedProxies has ${JSON.stringify(given)}; pass addresses such as "10.0.0.7", or ranges such as "10.0.0.0/8"`,
    );
  }
  return { bytes, bits: 128 - width + length };
}

function isWithin(bytes: Uint8Array, range: Range): boolean {
  const whole = range.bits >> 3;
  for (let at = 0; at < whole; at++) if (bytes[at] !== range.bytes[at]) return false;
  const rest = range.bits & 7;
  if (rest === 0) return true;
  const mask = 0xff << (8 - rest);
  return ((bytes[whole] ?? 0) & mask) === ((range.bytes[whole] ?? 0) & mask);
}

/**
 * Makes the function that says whether an address is that of a proxy of one's own.
 *
 * @throws TypeError for a list that is none, or holds something else than addresses and ranges
 */
export function proxiesFrom(who: string, list: readonly string[]): (address: string) => boolean {
  if (!Array.isArray(list)) {
    throw new TypeError(
      `Cannot make ${who}: trustedProxies is no list; pass addresses and ranges such as ["10.0.0.0/8"]`,
    );
  }
  const ranges = list.map((each) => rangeOf(who, each));
  return (address) => {
    const bytes = addressBytes(address.split("%", 1)[0] ?? "");
    return bytes !== undefined && ranges.some((range) => isWithin(bytes, range));
  };
}

/** Entries of a forwarding header that are looked at; a longer list is nobody's honest route. */
const maxEntries = 32;

/** The addresses that a forwarding header lists, the nearest hop last; "" for what is no address. */
function entriesOf(name: string, text: string): string[] {
  if (name !== "forwarded") return text.split(",").map((entry) => bareAddress(entry.trim()));
  return hopsOf(text).map((pairs) => {
    const found = pairs.map((pair) => forPair.exec(pair)).find((match) => match !== null);
    return bareAddress(found?.[1] ?? found?.[2] ?? "");
  });
}

const forPair = /^\s*for=(?:"([^"]*)"|([^\s"]*))\s*$/i;

/**
 * The pairs of each element of `Forwarded`. Separators in quotes are none: a proxy quotes the Host that the client sent. It
 * is read from its end, so that a quote which the client left open takes nothing of what a proxy added.
 */
function hopsOf(text: string): string[][] {
  let pairs: string[] = [];
  const hops = [pairs];
  let end = text.length;
  let quoted = false;
  for (let at = end - 1; at >= 0; at--) {
    const char = text[at];
    if (char === '"' && !isEscaped(text, at)) quoted = !quoted;
    if (quoted || (char !== "," && char !== ";")) continue;
    pairs.push(text.slice(at + 1, end));
    end = at;
    if (char === ",") {
      pairs = [];
      hops.push(pairs);
    }
  }
  pairs.push(text.slice(0, end));
  return hops.reverse();
}

function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text[first - 1] === "\\") first--;
  return (at - first) % 2 === 1;
}

/** An address without port and brackets; "" when it is none. */
function bareAddress(text: string): string {
  const [, bracketed, v4] = /^(?:\[([^\]]*)\](?::\d+)?|([\d.]+):\d+)$/.exec(text) ?? [];
  const address = bracketed ?? v4 ?? text;
  return addressBytes(address) === undefined ? "" : address;
}

/**
 * The address of the client behind proxies of one's own: in the list that they made, the last that is none of theirs. What
 * stands before it anybody may have written.
 *
 * @param name - `forwarded` (RFC 7239) or a header that lists addresses, as `x-forwarded-for` does; in lower case
 * @param nearest - the address of the connection, which is a trusted proxy's
 * @returns "" where a proxy named no address
 */
export function forwardedAddress(
  name: string,
  text: string,
  nearest: string,
  trusted: (address: string) => boolean,
): string {
  if (text.trim() === "") return nearest;
  const entries = entriesOf(name, text).slice(-maxEntries);
  for (const address of entries.reverse()) if (address === "" || !trusted(address)) return address;
  return entries.at(-1) ?? nearest;
}
