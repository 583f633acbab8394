import type { Socket } from "node:net";
import { addressBytes } from "../../core/address-ranges.ts";

/** The longest header of version 1, and of version 2 with what proxies add to the addresses. */
const maxBytesV1 = 107;
const maxBytesV2 = 16 + 2_048;

const signatureV2 = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];
const textDecoder = new TextDecoder("latin1");

/** What a header says. */
interface ProxyHeader {
  /** Its length in bytes. */
  readonly bytes: number;
  /** The address of the client; undefined where the proxy speaks for itself, as it does to probe. */
  readonly address: string | undefined;
}

/** Reads the header of version 1, a line of text: `PROXY TCP4 203.0.113.7 10.0.0.1 4711 443`. */
function readV1(head: Uint8Array): ProxyHeader | undefined {
  const text = textDecoder.decode(head.subarray(0, maxBytesV1));
  const end = text.indexOf("\r\n");
  if (end === -1) {
    if (head.length >= maxBytesV1) throw new Error("its first line is too long");
    return undefined;
  }
  const [, family, source = ""] =
    /^PROXY (?:UNKNOWN(?: .*)?|(TCP[46]) (\S+) (\S+) \d{1,5} \d{1,5})$/.exec(text.slice(0, end)) ?? [];
  if (!text.startsWith("PROXY ") || (family === undefined && !text.startsWith("PROXY UNKNOWN"))) {
    throw new Error("its first line is none of the PROXY protocol");
  }
  if (
    family !== undefined &&
    (addressBytes(source) === undefined || source.includes(":") !== (family === "TCP6"))
  ) {
    throw new Error("its first line names no address");
  }
  return { bytes: end + 2, address: family === undefined ? undefined : source };
}

function groupsOf(bytes: Uint8Array): string {
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2)
    groups.push((((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16));
  return new URL(`http://[${groups.join(":")}]/`).hostname.slice(1, -1);
}

/** Reads the header of version 2, which is binary. */
function readV2(head: Uint8Array): ProxyHeader | undefined {
  if (head.length < 16) return undefined;
  const [versionAndCommand = 0, family = 0, high = 0, low = 0] = head.subarray(12, 16);
  const bytes = 16 + ((high << 8) | low);
  const command = versionAndCommand & 15;
  if (versionAndCommand >> 4 !== 2 || command > 1) throw new Error("its header is of an unknown version");
  if (bytes > maxBytesV2) throw new Error("its header is too long");
  if (head.length < bytes) return undefined;
  const addresses = head.subarray(16, bytes);
  if (command === 0) return { bytes, address: undefined };
  if (family >> 4 === 1 && addresses.length >= 12)
    return { bytes, address: addresses.subarray(0, 4).join(".") };
  if (family >> 4 === 2 && addresses.length >= 36)
    return { bytes, address: groupsOf(addresses.subarray(0, 16)) };
  // Unix sockets, and families to come: as if nothing were said.
  return { bytes, address: undefined };
}

/**
 * Reads the header of the PROXY protocol (haproxy's, versions 1 and 2) that a connection begins with.
 *
 * @returns undefined while it has not arrived as a whole
 * @throws Error for what is no header
 */
export function readProxyHeader(head: Uint8Array): ProxyHeader | undefined {
  const looked = Math.min(head.length, signatureV2.length);
  for (let at = 0; at < looked; at++) if (head[at] !== signatureV2[at]) return readV1(head);
  return readV2(head);
}

/**
 * Takes the header off a connection, and goes on with what follows it; ends the connection when it begins with anything else.
 *
 * @param enter - told the address of the client; undefined where the proxy speaks for itself
 * @param refuse - told why the header was no good
 */
export function takeProxyHeader(
  socket: Socket,
  enter: (address: string | undefined) => void,
  refuse: (error: Error) => void,
): void {
  let head: Buffer | undefined;
  const stop = (): void => {
    socket.off("data", look);
    socket.off("end", ended);
  };
  const ended = (): void => {
    stop();
    socket.destroy();
  };
  const look = (chunk: Buffer): void => {
    head = head === undefined ? chunk : Buffer.concat([head, chunk]);
    try {
      const header = readProxyHeader(head);
      if (header === undefined) return;
      stop();
      socket.pause();
      if (head.length > header.bytes) socket.unshift(head.subarray(header.bytes));
      enter(header.address);
    } catch (error) {
      stop();
      socket.destroy();
      refuse(error as Error);
    }
  };
  socket.on("data", look);
  socket.on("end", ended);
}
