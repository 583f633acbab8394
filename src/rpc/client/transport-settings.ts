import type {
  BinaryReadOptions,
  BinaryWriteOptions,
  JsonReadOptions,
  JsonWriteOptions,
} from "@bufbuild/protobuf";
import { MeshError } from "../../core/errors.ts";
import { checkBoolean, checkNumber, checkObject, checkOptions, type OptionKeys } from "../../core/options.ts";
import type { RpcProtocol } from "../dialect/rpc-protocol.ts";

/** The encodings of messages, as headers name them. */
export type RpcCompression = "gzip" | "br";

/** All of them, best first. */
export const rpcCompressions: readonly RpcCompression[] = ["gzip", "br"];

/** Messages smaller than this go out uncompressed, unless an option says otherwise: packing them gains nothing. */
export const defaultCompressMinBytes = 1024;

/** HTTP/2 pings that keep a connection alive, and tell when it is dead. */
export interface RpcKeepalive {
  /** A ping goes out after so much silence, in milliseconds. Servers refuse clients that ping too often. */
  readonly intervalMs: number;
  /** A ping unanswered for so long closes the connection, in milliseconds. @default 15_000 */
  readonly timeoutMs?: number;
  /** Ping also while no call is open. @default false */
  readonly whenIdle?: boolean;
}

/** How messages travel; the same for gRPC, gRPC-Web and Connect. */
export interface RpcTransportEncoding {
  /**
   * The version of HTTP; gRPC needs `"2"`. Where the platform has only `fetch` (browsers, Workers), it agrees on the
   * version with the server by itself, and naming one fails.
   *
   * @default "2"
   */
  readonly httpVersion?: "1.1" | "2" | undefined;
  /** Encoding of the messages that go out. The server must know it: there is no asking beforehand. @default none */
  readonly sendCompression?: RpcCompression | undefined;
  /**
   * Encodings that the server may respond in; an empty list asks for none. Where the platform has only `fetch`, whole
   * bodies (unary Connect) are its own affair, and this concerns streams and gRPC-Web.
   *
   * @default ["gzip", "br"]; ["gzip"] where the platform has only `fetch`
   */
  readonly acceptCompression?: readonly RpcCompression[] | undefined;
  /** Messages smaller than this go out uncompressed, in bytes. @default 1024 */
  readonly compressMinBytes?: number | undefined;
  /** The largest message that goes out, in bytes before compression. @default maxMessageBytes */
  readonly maxSendBytes?: number | undefined;
  /**
   * Pings on HTTP/2 connections.
   *
   * @default by gRPC only when a connection is in doubt; by Connect and gRPC-Web every 30 s while calls are open
   */
  readonly keepalive?: RpcKeepalive | undefined;
  /** An HTTP/2 connection that was unused for so long is verified by a ping before its next call, in milliseconds. @default 30_000 */
  readonly verifyAfterIdleMs?: number | undefined;
  /**
   * How long such a ping is waited for, in milliseconds, and the one that is sent when a call timed out on a connection
   * from which nothing was heard meanwhile; then the connection is closed. While the ping is out, new calls wait for 250 ms
   * and then go over another connection. @default 5_000
   */
  readonly pingTimeoutMs?: number | undefined;
  /**
   * How messages become JSON and back, where `useBinaryFormat` is false; `Any` needs a `registry` here. Transports share
   * connections only when they are given the same object, so make it once.
   */
  readonly jsonOptions?: Partial<JsonReadOptions & JsonWriteOptions> | undefined;
  /** How messages become bytes and back; make it once, too. */
  readonly binaryOptions?: Partial<BinaryReadOptions & BinaryWriteOptions> | undefined;
}

/** Where calls are made from, as far as it bounds the options. */
export interface TransportPlatform {
  /** As it is called in errors. */
  readonly name: string;
  /** Whether it has `fetch` and no sockets. */
  readonly fetchOnly: boolean;
}

const who = "an RPC transport";

/**
 * Refuses options that contradict each other or the platform, where they are given.
 *
 * @throws TypeError, RangeError for what is no value of an option, or contradicts the protocol
 * @throws MeshError `ERR_CAPABILITY` for what the platform cannot do
 */
export function checkTransportEncoding(
  options: RpcTransportEncoding & { readonly maxMessageBytes?: number | undefined },
  protocol: RpcProtocol | undefined,
  platform: TransportPlatform,
): void {
  checkHttpVersion(options, protocol);
  checkCompressions(options);
  checkSizes(options);
  if (options.keepalive !== undefined) checkKeepalive(options.keepalive, options.httpVersion);
  checkPings(options);
  for (const name of ["jsonOptions", "binaryOptions"] as const) {
    if (options[name] !== undefined) checkObject(`${who}'s ${name}`, options[name]);
  }
  if (platform.fetchOnly) checkFetchOnly(options, platform.name);
}

function refuse(name: string, value: unknown, remedy: string): never {
  throw new TypeError(`Cannot make ${who}: ${name} is ${JSON.stringify(value)}; pass ${remedy}`);
}

function checkHttpVersion({ httpVersion }: RpcTransportEncoding, protocol: RpcProtocol | undefined): void {
  if (httpVersion === undefined || httpVersion === "2") return;
  if (httpVersion !== "1.1") refuse("httpVersion", httpVersion, '"1.1" or "2"');
  if (protocol === "grpc") {
    throw new MeshError(
      "ERR_CAPABILITY",
      `Cannot make ${who}: httpVersion is "1.1" with protocol "grpc", which needs HTTP/2; use protocol "connect" or "grpc-web", or leave httpVersion out`,
    );
  }
}

function checkCompressions(options: RpcTransportEncoding): void {
  const { sendCompression, acceptCompression } = options;
  const known = (name: unknown): boolean => rpcCompressions.includes(name as RpcCompression);
  if (sendCompression !== undefined && !known(sendCompression)) {
    refuse("sendCompression", sendCompression, '"gzip" or "br", or leave it out');
  }
  if (
    acceptCompression !== undefined &&
    !(Array.isArray(acceptCompression) && acceptCompression.every(known))
  ) {
    refuse("acceptCompression", acceptCompression, 'a list of "gzip" and "br"');
  }
}

/** zlib and protobuf know no more. */
const maxBytes = 0xffffffff;

function checkSizes(options: Parameters<typeof checkTransportEncoding>[0]): void {
  const { compressMinBytes } = options;
  if (compressMinBytes !== undefined) {
    checkNumber(who, "compressMinBytes", compressMinBytes, { max: Infinity });
  }
  for (const name of ["maxMessageBytes", "maxSendBytes"] as const) {
    if (options[name] !== undefined) checkNumber(who, name, options[name], { min: 1, max: maxBytes });
  }
}

/** What a timer takes. */
const maxPingMs = 2 ** 31 - 1;

const knownKeepalive: OptionKeys<RpcKeepalive> = { intervalMs: true, timeoutMs: true, whenIdle: true };

function checkKeepalive(keepalive: RpcKeepalive, httpVersion: RpcTransportEncoding["httpVersion"]): void {
  checkOptions(`${who}'s keepalive`, keepalive, knownKeepalive);
  checkNumber(who, "keepalive.intervalMs", keepalive.intervalMs, { above: true });
  if (keepalive.timeoutMs !== undefined) {
    checkNumber(who, "keepalive.timeoutMs", keepalive.timeoutMs, { above: true });
  }
  checkBoolean(who, "keepalive.whenIdle", keepalive.whenIdle);
  if (httpVersion === "1.1") {
    throw new TypeError(
      `Cannot make ${who}: keepalive is given with httpVersion "1.1", which knows no pings; leave one of them out`,
    );
  }
}

function checkPings(options: RpcTransportEncoding): void {
  for (const name of ["verifyAfterIdleMs", "pingTimeoutMs"] as const) {
    if (options[name] === undefined) continue;
    checkNumber(who, name, options[name], {
      above: true,
      max: name === "verifyAfterIdleMs" ? Infinity : maxPingMs,
    });
    if (options.httpVersion === "1.1") {
      throw new TypeError(
        `Cannot make ${who}: ${name} is given with httpVersion "1.1", which knows no pings; leave one of them out`,
      );
    }
  }
}

function checkFetchOnly(options: RpcTransportEncoding, platform: string): void {
  const refusal = (what: string, why: string): MeshError =>
    new MeshError("ERR_CAPABILITY", `Cannot use ${what} on ${platform}: ${why}; leave it out there`);
  const { httpVersion, sendCompression, acceptCompression } = options;
  if (httpVersion !== undefined) {
    throw refusal(
      `httpVersion "${httpVersion}"`,
      "its fetch agrees on the version with the server by itself",
    );
  }
  for (const name of ["keepalive", "verifyAfterIdleMs", "pingTimeoutMs"] as const) {
    if (options[name] !== undefined) throw refusal(name, "its fetch sends no pings");
  }
  const brotli = sendCompression === "br" || acceptCompression?.includes("br") === true;
  if (brotli) throw refusal('compression "br"', "it has no brotli for messages");
}
