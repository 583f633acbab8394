import { LightRequest } from "./light-request.ts";
import { createJsonResponse, createResponse, nativeInit } from "./light-response.ts";

let installed = false;

/**
 * Lets `new Response(...)` make light responses from now on, and `new Request(request, ...)` accept light
 * requests. On Node the real `Response` costs about a third of a small request, and its body can be got
 * back only as a stream.
 *
 * Called when the first port opens, never by an import. Both stay themselves in every way that a program
 * can tell (`instanceof`, statics, subclasses, prototype). Only a function written in native code that
 * takes a `Response` (such as `WebAssembly.compileStreaming`) or a `Request` (global `fetch`) wants what
 * `clone()` gives.
 */
export function installLightGlobals(): void {
  if (installed) return;
  installed = true;
  const NativeResponse = globalThis.Response;
  const LightResponseConstructor: typeof Response = new Proxy(NativeResponse, {
    construct(target, args, newTarget) {
      return newTarget === LightResponseConstructor
        ? createResponse(args[0], args[1])
        : Reflect.construct(target, [args[0], nativeInit(args[1])], newTarget);
    },
    get: (target, property, receiver) =>
      property === "json" ? createJsonResponse : Reflect.get(target, property, receiver),
  });
  globalThis.Response = LightResponseConstructor;

  const LightRequestConstructor: typeof Request = new Proxy(globalThis.Request, {
    construct(target, args, newTarget) {
      if (args[0] instanceof LightRequest) args[0] = args[0].real();
      return Reflect.construct(target, args, newTarget === LightRequestConstructor ? target : newTarget);
    },
  });
  globalThis.Request = LightRequestConstructor;
}
