import type { ServerIdentity } from "./identity.ts";

/** One address of a service. */
export interface Endpoint {
  /** Scheme, host and port, without a trailing slash: `https://10.0.0.7:7101`. */
  readonly origin: string;
  /** Relative share of the load. @default 1 */
  readonly weight?: number;
  /** Where it runs, for zone-aware choices. */
  readonly zone?: string;
  /**
   * The RPC protocols that it speaks, where something on the way (a fetch handler, a proxy without HTTP/2) stands
   * in the way of the others. @default all
   */
  readonly protocols?: readonly ("grpc" | "grpc-web" | "connect")[];
  /** Who its server must be; what is said here wins over the service's policy, field by field. @default as its origin says */
  readonly tls?: ServerIdentity;
}
