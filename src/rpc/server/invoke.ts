import { create, type Message } from "@bufbuild/protobuf";
import type {
  HandlerContext,
  Interceptor,
  MethodImplSpec,
  StreamRequest,
  StreamResponse,
  UnaryRequest,
  UnaryResponse,
} from "@connectrpc/connect";
import { applyInterceptor, safeIterable } from "../safe-interceptor.ts";
import type { RpcMethod } from "./dispatcher.ts";
import type { GrpcContext } from "./handler-context.ts";

type AnyFn = Parameters<Interceptor>[0];
type AnyRequest = UnaryRequest | StreamRequest;
type AnyImpl = (input: unknown, context: HandlerContext) => unknown;

/** What a call brings: one message, or the messages as they arrive. */
export type Input = Message | AsyncIterable<Message>;
/** What comes of it: one message, or messages as they are made. */
export type Output = object | AsyncIterable<object>;

/** Calls the implementation, within the method's interceptors when there are any. */
export function invoke(method: RpcMethod, context: GrpcContext, input: Input): Output | Promise<Output> {
  if (method.interceptors.length === 0) {
    return (method.spec.impl as AnyImpl)(input, context) as Output | Promise<Output>;
  }
  return intercepted(method, context, input);
}

/** What the implementation sees after interceptors may have replaced parts of the request. */
function contextOf(context: GrpcContext, request: AnyRequest): HandlerContext {
  return {
    method: context.method,
    service: request.service,
    requestMethod: context.requestMethod,
    protocolName: context.protocolName,
    url: context.url,
    timeoutMs: context.timeoutMs,
    signal: request.signal,
    values: request.contextValues,
    requestHeader: request.header,
    responseHeader: context.responseHeader,
    responseTrailer: context.responseTrailer,
  };
}

async function single(messages: AsyncIterable<unknown>): Promise<unknown> {
  for await (const message of messages) return message;
  return undefined;
}

async function* once<T>(message: T): AsyncGenerator<T> {
  yield message;
}

/** Implementation and messages in the form that Connect's interceptors see: streams are iterables both ways. */
async function callImplementation(
  spec: MethodImplSpec,
  context: GrpcContext,
  request: AnyRequest,
): Promise<unknown> {
  const impl = spec.impl as AnyImpl;
  const handlerContext = contextOf(context, request);
  const { output } = spec.method;
  switch (spec.kind) {
    case "unary":
      // Protobuf types a message by its schema, which is not known here: so in all of this file.
      return create(output, (await impl(request.message, handlerContext)) as never);
    case "client_streaming":
      return once(create(output, (await impl(request.message, handlerContext)) as never));
    case "server_streaming": {
      const message = await single((request as StreamRequest).message);
      return normalized(spec, (await impl(message, handlerContext)) as AsyncIterable<object>);
    }
    case "bidi_streaming":
      return normalized(spec, (await impl(request.message, handlerContext)) as AsyncIterable<object>);
  }
}

async function* normalized(spec: MethodImplSpec, messages: AsyncIterable<object>): AsyncGenerator<Message> {
  for await (const message of safeIterable(messages)) yield create(spec.method.output, message as never);
}

function replaceHeaders(from: Headers, to: Headers): void {
  if (from === to) return;
  for (const name of [...to.keys()]) to.delete(name);
  from.forEach((value, name) => {
    to.set(name, value);
  });
}

async function intercepted(method: RpcMethod, context: GrpcContext, input: Input): Promise<Output> {
  const { spec } = method;
  const innermost = async (request: AnyRequest): Promise<UnaryResponse | StreamResponse> =>
    ({
      stream: spec.kind !== "unary",
      service: context.service,
      method: spec.method,
      header: context.responseHeader,
      message: await callImplementation(spec, context, request),
      trailer: context.responseTrailer,
    }) as unknown as UnaryResponse | StreamResponse;
  let next = innermost as AnyFn;
  for (const interceptor of method.interceptors.toReversed()) {
    next = applyInterceptor(interceptor, next);
  }
  const streaming = spec.kind !== "unary";
  const message = spec.kind === "server_streaming" ? once(input) : input;
  const response = await next({
    stream: streaming,
    service: context.service,
    method: spec.method,
    requestMethod: context.requestMethod,
    url: context.url,
    signal: context.signal,
    header: context.requestHeader,
    contextValues: context.values,
    message,
  } as unknown as UnaryRequest);
  replaceHeaders(response.header, context.responseHeader);
  if (!response.stream) {
    replaceHeaders(response.trailer, context.responseTrailer);
    return response.message;
  }
  if (response.trailer === context.responseTrailer) return response.message as AsyncIterable<object>;
  return withTrailers(response, context);
}

/** Trailers that an interceptor put in the place of the handler's are known when the messages are through. */
async function* withTrailers(response: StreamResponse, context: GrpcContext): AsyncGenerator<object> {
  yield* response.message;
  replaceHeaders(response.trailer, context.responseTrailer);
}
