import { createRegistry } from "@bufbuild/protobuf";
import type { Compression } from "@connectrpc/connect/protocol";
import { createDispatcher } from "../src/rpc/server/create-dispatcher.ts";
import type { RpcDispatcher } from "../src/rpc/server/dispatcher.ts";
import { createRequestPipeline } from "../src/serve/request-pipeline.ts";
import {
  ConformanceService,
  file_connectrpc_conformance_v1_service,
} from "./gen/connectrpc/conformance/v1/service_pb.ts";
import { conformanceService } from "./service.ts";

/** What differs from one server under test to the other. */
export interface ConformanceDispatcherOptions {
  /** The largest message that the suite lets the server take, in bytes; 0 for none. */
  readonly messageReceiveLimit: number;
  /** @default the library's own */
  readonly acceptCompression?: readonly Compression[];
}

/** The suite's service behind the library's chain. */
export function createConformanceDispatcher(options: ConformanceDispatcherOptions): RpcDispatcher {
  const { messageReceiveLimit, acceptCompression } = options;
  const limits = messageReceiveLimit === 0 ? {} : { readMaxBytes: messageReceiveLimit };
  return createDispatcher({
    // The suite wants to see the time that the caller granted, and none when it granted none.
    pipeline: createRequestPipeline({
      service: "conformance",
      server: { rateLimit: false, timeoutMs: Infinity },
    }),
    routes: (router) => router.service(ConformanceService, conformanceService, limits),
    ...(acceptCompression && { acceptCompression }),
    jsonOptions: { registry: createRegistry(file_connectrpc_conformance_v1_service) },
  });
}
