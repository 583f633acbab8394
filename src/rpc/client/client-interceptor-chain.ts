import {
  create,
  type DescMessage,
  isMessage,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import type { Interceptor, StreamRequest, UnaryRequest } from "@connectrpc/connect";
import type { Call } from "../../core/call.ts";
import type { Service } from "../../core/service.ts";
import { operationOf } from "../dialect/call-headers.ts";
import { applyInterceptor } from "../safe-interceptor.ts";
import { streamInput } from "./replayable-input.ts";
import type { RpcRequest, RpcResponse } from "./rpc-request.ts";

type AnyRequest = UnaryRequest | StreamRequest;
type AnyFn = ReturnType<Interceptor>;

/**
 * Runs Connect's interceptors around the pipeline. The URL they see names the service, not an endpoint: none
 * has been picked yet.
 */
export function intercept(
  interceptors: readonly Interceptor[],
  call: Call,
  request: RpcRequest,
  service: string,
  send: Service<RpcRequest, RpcResponse>,
): Promise<RpcResponse> {
  const innermost: AnyFn = async (intercepted) => send(call, requestFrom(request, intercepted));
  const chain = interceptors.reduceRight<AnyFn>(
    (next, interceptor) => applyInterceptor(interceptor, next),
    innermost,
  );
  return chain(interceptedRequest(call, request, service));
}

function interceptedRequest(call: Call, request: RpcRequest, service: string): AnyRequest {
  const { method } = request;
  const common = {
    service: method.parent,
    requestMethod: "POST",
    url: `mesh://${service}/${operationOf(method)}`,
    // Made only when an interceptor looks at it.
    get signal(): AbortSignal {
      return call.signal;
    },
    header: new Headers(request.header),
    contextValues: request.contextValues,
  };
  const target =
    request.input === undefined
      ? { stream: false, method, message: messageOf(method.input, request.message as object) }
      : { stream: true, method, message: messagesOf(method.input, request.input.open()) };
  // TypeScript takes the properties that are defined for those that were there before.
  return Object.defineProperties(target, Object.getOwnPropertyDescriptors(common)) as unknown as AnyRequest;
}

/** What the interceptors made of the request; input that they left alone stays replayable. */
function requestFrom(request: RpcRequest, intercepted: AnyRequest): RpcRequest {
  const { header, contextValues } = intercepted;
  if (!intercepted.stream) return { ...request, header, contextValues, message: intercepted.message };
  return { ...request, header, contextValues, input: streamInput(request.method, intercepted.message) };
}

function messageOf<D extends DescMessage>(desc: D, init: object): MessageShape<D> {
  return isMessage(init, desc) ? init : create(desc, init as MessageInitShape<D>);
}

async function* messagesOf<D extends DescMessage>(
  desc: D,
  inputs: AsyncIterable<unknown>,
): AsyncGenerator<MessageShape<D>> {
  for await (const input of inputs) yield messageOf(desc, input as object);
}
