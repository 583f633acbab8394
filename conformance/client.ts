/** The client under test: makes the calls it reads from standard input, and writes what came of them. */
import process from "node:process";
import { create } from "@bufbuild/protobuf";
import { call } from "./calls.ts";
import { readMessages, writeMessage } from "./frames.ts";
import {
  type ClientCompatRequest,
  ClientCompatRequestSchema,
  ClientCompatResponseSchema,
} from "./gen/connectrpc/conformance/v1/client_compat_pb.ts";
import { openTransport } from "./transports.ts";

/** Calls under way at once. */
const parallel = 32;

async function run(request: ClientCompatRequest): Promise<void> {
  const response = create(ClientCompatResponseSchema, { testName: request.testName });
  const transport = openTransport(request);
  try {
    response.result = { case: "response", value: await call(transport.transport, request) };
  } catch (error) {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    response.result = {
      case: "error",
      value: { $typeName: "connectrpc.conformance.v1.ClientErrorResult", message },
    };
  } finally {
    await transport.close();
  }
  writeMessage(ClientCompatResponseSchema, response);
}

const running = new Set<Promise<void>>();
for await (const request of readMessages(ClientCompatRequestSchema)) {
  const done: Promise<void> = run(request).finally(() => running.delete(done));
  running.add(done);
  if (running.size >= parallel) await Promise.race(running);
}
await Promise.all(running);
process.exitCode = 0;
