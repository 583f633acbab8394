import type {
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from "@connectrpc/connect/protocol";
import type { RpcDialect } from "../dialect/rpc-dialect.ts";

/** What is served at a path. */
export interface UniversalMethod {
  readonly operation: string;
  readonly streaming: boolean;
  /** The HTTP methods that it is called by, as `Allow` lists them. */
  readonly allow: string;
  /** The handler for a request; that of a path which nobody serves rejects. */
  choose(
    request: UniversalServerRequest,
    wire: RpcDialect,
  ): UniversalHandler | ((request: UniversalServerRequest) => Promise<UniversalServerResponse>);
}
