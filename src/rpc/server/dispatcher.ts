import type { DescMethod } from "@bufbuild/protobuf";
import type { Interceptor, MethodImplSpec } from "@connectrpc/connect";
import type {
  Compression,
  UniversalHandlerOptions,
  UniversalServerRequest,
  UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import type { Connection } from "../../core/connection.ts";
import type { CallLifecycle } from "./call-lifecycle.ts";

/** The operation of calls to what nobody serves: paths that callers make up must not become labels. */
export const unknownOperation = "unknown";

/** One RPC on the server, with the server's layers around it: security runs before a body is read. */
export type RpcHandler = (
  request: UniversalServerRequest,
  connection: Connection,
) => Promise<UniversalServerResponse>;

/** The RPC side of a listener: finds the handler of a path such as `/package.Service/Method`. */
export interface RpcDispatcher {
  find(path: string): RpcHandler | undefined;
  /** Responds to an RPC whose path nobody serves: `unimplemented`, in the dialect it came in. */
  readonly unknown: RpcHandler;
  /** Every method by its path, for a wire that invokes the implementations itself. */
  readonly methods: ReadonlyMap<string, RpcMethod>;
  /** What such a wire needs for each call. */
  readonly lifecycle: CallLifecycle;
}

/** One method as it was registered: everything that a wire needs to serve it. */
export interface RpcMethod {
  /** `/package.Service/Method` */
  readonly path: string;
  /** `package.Service/Method` */
  readonly operation: string;
  readonly method: DescMethod;
  /** Kind and implementation, bound to its object. */
  readonly spec: MethodImplSpec;
  /** Those in effect for this method, outermost first. A service's own replace the router's, as Connect has it. */
  readonly interceptors: readonly Interceptor[];
  /** The options in effect: the dispatcher's, overlaid with the service's. */
  readonly options: RpcMethodOptions;
}

/**
 * Which responses are compressed, among messages that are worth it: those to compressed requests, or all that go to a
 * client which accepts them so.
 */
export type ResponseCompression = "requested" | "accepted";

/** The options in effect for one method. */
export interface RpcMethodOptions {
  readonly acceptCompression: Compression[];
  readonly compressMinBytes: number;
  readonly responseCompression: ResponseCompression;
  readonly readMaxBytes: number;
  readonly writeMaxBytes: number;
  readonly jsonOptions: UniversalHandlerOptions["jsonOptions"] | undefined;
  readonly binaryOptions: UniversalHandlerOptions["binaryOptions"] | undefined;
  readonly shutdownSignal: AbortSignal | undefined;
  /** Whether the method is served over native gRPC. */
  readonly grpc: boolean;
}
