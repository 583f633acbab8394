const mapped = "::ffff:";

/**
 * What a remote address counts as when clients are limited: an IPv4 address as it is, of an IPv6 address the
 * first 64 bits, because that is the least that one subscriber gets, with 2⁶⁴ addresses to choose from.
 * Addresses that the platform does not tell are one client.
 */
export function clientKey(address: string): string {
  if (!address.includes(":")) return address === "" ? "unknown" : address;
  if (address.startsWith(mapped) && address.includes(".")) return address.slice(mapped.length);
  const [head = "", tail] = address.split("%", 1)[0]!.split("::") as [string, string?];
  const first = head === "" ? [] : head.split(":");
  const last = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(8 - first.length - last.length, 0);
  const groups = [...first, ...new Array<string>(zeros).fill("0"), ...last];
  return `${groups
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}
