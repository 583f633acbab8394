import { addressBytes, addressSet } from "../core/address-ranges.ts";
import { type HeaderSource, token } from "../core/headers.ts";
import type { InboundRequest } from "./inbound-request.ts";
import { forwardedAddress } from "./trusted-proxies.ts";

const mapped = "::ffff:";
/** The longest address in text: eight groups, the last two of them as IPv4. */
const maxAddressLength = 45;

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

/** The remote address of a request. */
export type AddressOf = (inbound: Pick<InboundRequest, "connection" | "headers">) => string;

/** What says where a client's address is found; see `ServerOptions`. */
export interface AddressOptions {
  readonly clientAddressHeader?: string;
  readonly trustedProxies?: readonly string[];
}

/**
 * Makes the function that finds a client's address: the connection's, or the one in a header that the operator trusts.
 * A header that holds anything but addresses counts as no address.
 *
 * @throws TypeError when the name is no name of a header field, or the proxies are no list of addresses
 */
export function addressFrom(who: string, options: AddressOptions): AddressOf {
  const { clientAddressHeader: header, trustedProxies } = options;
  if (header !== undefined && (typeof header !== "string" || !token.test(header))) {
    throw new TypeError(
      `Cannot make ${who}: clientAddressHeader is ${JSON.stringify(header)}; pass the name of a header field, such as "cf-connecting-ip"`,
    );
  }
  const name = header?.toLowerCase() ?? "x-forwarded-for";
  if (trustedProxies !== undefined) {
    const trusted = addressSet(who, "trustedProxies", trustedProxies);
    return ({ connection: { remoteAddress }, headers }) =>
      trusted(remoteAddress)
        ? forwardedAddress(name, headers.get(name) ?? "", remoteAddress, trusted)
        : remoteAddress;
  }
  if (header === undefined) return ({ connection }) => connection.remoteAddress;
  return ({ headers }) => addressIn(headers, name);
}

function addressIn(headers: HeaderSource, name: string): string {
  const text = (headers.get(name) ?? "").trim();
  return text.length <= maxAddressLength && addressBytes(text) !== undefined ? text : "";
}
