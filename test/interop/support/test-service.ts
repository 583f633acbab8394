import { setTimeout as sleep } from "node:timers/promises";
import { create } from "@bufbuild/protobuf";
import { type Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import {
  type EchoStatus,
  EchoStatusSchema,
  type Payload,
  PayloadSchema,
  type ResponseParameters,
  TestService,
} from "../../gen/test/grpc/testing/test_pb.ts";

/** Metadata that the service sends back: this one before the response, and this one after it. */
export const echoed = {
  initial: "x-grpc-test-echo-initial",
  trailing: "x-grpc-test-echo-trailing-bin",
} as const;

/** An error comes with {@link detailsOf} its status when this header is sent. Not part of gRPC's own suite. */
export const wantDetails = "x-want-details";

/** A detail of a type that is defined nowhere. */
export const unknownDetail: { readonly type: string; readonly value: Uint8Array } = {
  type: "test.of.nobody.Known",
  value: new Uint8Array([8, 150, 1]),
};

/** Details of different types: the status itself, one that nobody knows, and a payload of three bytes. */
export function detailsOf(value: EchoStatus): ConnectError["details"] {
  const body = new Uint8Array([1, 2, 3]);
  return [{ desc: EchoStatusSchema, value }, unknownDetail, { desc: PayloadSchema, value: { body } }];
}

function echoMetadata({ requestHeader, responseHeader, responseTrailer }: HandlerContext): void {
  const initial = requestHeader.get(echoed.initial);
  const trailing = requestHeader.get(echoed.trailing);
  if (initial !== null) responseHeader.set(echoed.initial, initial);
  if (trailing !== null) responseTrailer.set(echoed.trailing, trailing);
}

function failWhenAsked(status: EchoStatus | undefined, context: HandlerContext): void {
  if (status === undefined || status.code === 0) return;
  const error = new ConnectError(status.message, status.code as Code);
  if (context.requestHeader.has(wantDetails)) error.details = detailsOf(status);
  throw error;
}

function payloadOf(size: number): Payload {
  return create(PayloadSchema, { body: new Uint8Array(size) });
}

async function* responses(parameters: readonly ResponseParameters[], signal: AbortSignal) {
  for (const { size, intervalUs } of parameters) {
    if (intervalUs > 0) await sleep(intervalUs / 1000, undefined, { signal });
    yield { payload: payloadOf(size) };
  }
}

/** Waits until the call is given up, but not for long. */
function abortedWithin(signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    const stop = (): void => {
      clearTimeout(timer);
      resolve();
    };
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

/** gRPC's test service, as its interoperability suite describes it. */
export function testRoutes(router: ConnectRouter): void {
  router.service(TestService, {
    emptyCall: () => ({}),
    unaryCall(request, context) {
      echoMetadata(context);
      failWhenAsked(request.responseStatus, context);
      return { payload: payloadOf(request.responseSize) };
    },
    streamingOutputCall: (request, context) => responses(request.responseParameters, context.signal),
    async streamingInputCall(requests, context) {
      let sum = 0;
      let count = 0;
      for await (const { payload } of requests) {
        sum += payload?.body.length ?? 0;
        count++;
      }
      // grpc-go ends its side and cancels at the same time; a response that is there before the reset would win.
      if (count === 0) await abortedWithin(context.signal, 1_000);
      return { aggregatedPayloadSize: sum };
    },
    async *fullDuplexCall(requests, context) {
      echoMetadata(context);
      for await (const request of requests) {
        failWhenAsked(request.responseStatus, context);
        yield* responses(request.responseParameters, context.signal);
      }
    },
  });
}
