import { addressBytes } from "../core/address-ranges.ts";

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
