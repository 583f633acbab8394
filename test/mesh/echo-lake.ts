import { createFetchDispatch } from "../../src/rpc/server/fetch-dispatch.ts";
import { serveInProcess, someConnection } from "../rpc/echo.ts";

/** What serves the EchoService to RPCs, and `ok` to everything else; for `lakeOf()`. */
export function echoLake(): (request: Request) => Promise<Response> {
  const serve = createFetchDispatch(serveInProcess().dispatcher);
  return async (request) => (await serve(request, someConnection)) ?? new Response("ok");
}
