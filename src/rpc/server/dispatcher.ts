import type { DescMethod } from "@bufbuild/protobuf";
import type { ConnectError, Interceptor, MethodImplSpec } from "@connectrpc/connect";
import type {
  Compression,
  UniversalHandlerOptions,
  UniversalServerRequest,
  UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import type { Call } from "../../core/call.ts";
import type { Connection } from "../../core/connection.ts";
import type { InboundRequest } from "../../serve/admission.ts";

/** The operation of calls to what nobody serves: paths that callers make up must not become labels. */
export const unknownOperation = "unknown";

/** One RPC on the server, after the mesh chain is put around it: security runs before a body is read. */
export type RpcHandler = (
  request: UniversalServerRequest,
  connection: Connection,
) => Promise<UniversalServerResponse>;

/** The RPC side of a listener: finds the handler of a path such as `/package.Service/Method`. */
export interface RpcDispatcher {
  find(path: string): RpcHandler | undefined;
  /** Answers an RPC whose path nobody serves: `unimplemented`, in the dialect it came in. */
  readonly unknown: RpcHandler;
  /** Every method by its path, for a wire that invokes the implementations itself. */
  readonly methods: ReadonlyMap<string, RpcMethod>;
  /** The chain around them, for such a wire. */
  readonly gate: CallLifecycle;
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
 * Which answers are compressed, among messages that are worth it: those to compressed requests, or all that go to a
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

/**
 * The mesh chain of one RPC, step by step: `open`, `admit`, then the implementation inside `run`, then the
 * error through `errorFor`, and always `call.end(outcomeOfCode(status))` (see `classifier.ts`).
 */
export interface CallLifecycle {
  /**
   * Makes the server's call. Its deadline is the caller's, clamped; when it passes, or when the client goes
   * away, the call is cancelled. Never throws.
   */
  open(inbound: InboundRequest): Call;
  /**
   * Runs the gates, before anything of the body is read; synchronous whenever it can be.
   *
   * @throws MeshError see `Admission.admit`; `errorFor` makes the answer of it
   */
  admit(call: Call, inbound: InboundRequest): void | Promise<void>;
  /** Milliseconds until the call's deadline, by the mesh's clock; undefined when there is none. */
  timeLeft(call: Call): number | undefined;
  /** Runs `task` with the call as the current one, so that outgoing calls inherit its context. */
  run<T>(call: Call, task: () => T): T;
  /**
   * What goes on the wire for what an implementation (or `admit`) threw; tells `onError` of what the client is not
   * told. Never throws.
   */
  errorFor(call: Call, error: unknown): ConnectError;
  /** Tells `onError` of a failure outside of the implementation: of a response that could not be written. Never throws. */
  report(call: Call | undefined, error: unknown): void;
}
