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

function rangeOf(who: string, option: string, given: unknown): Range {
  const [, address = "", prefix] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(String(given)) ?? [];
  const bytes = addressBytes(address);
  const width = address.includes(":") ? 128 : 32;
  const length = prefix === undefined ? width : Number(prefix);
  if (typeof given !== "string" || bytes === undefined || length > width) {
    throw new TypeError(
      `Cannot make ${who}: ${option} has ${JSON.stringify(given)}; pass addresses such as "10.0.0.7", or ranges such as "10.0.0.0/8"`,
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
 * Makes the function that says whether an address is in a list of addresses and ranges.
 *
 * @throws TypeError for a list that is none, or holds something else than addresses and ranges
 */
export function addressSet(
  who: string,
  option: string,
  list: readonly string[],
): (address: string) => boolean {
  if (!Array.isArray(list)) {
    throw new TypeError(
      `Cannot make ${who}: ${option} is no list; pass addresses and ranges such as ["10.0.0.0/8"]`,
    );
  }
  const ranges = list.map((each) => rangeOf(who, option, each));
  return (address) => {
    const bytes = addressBytes(address.split("%", 1)[0] ?? "");
    return bytes !== undefined && ranges.some((range) => isWithin(bytes, range));
  };
}
