/*
 * The cases of gRPC's interoperability suite, by the names they have there, for the mesh's client; and a few
 * more that only some servers support.
 */
import assert from "node:assert/strict";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  decodeBinaryHeader,
  encodeBinaryHeader,
  type Transport,
} from "@connectrpc/connect";
import {
  EchoStatusSchema,
  PayloadSchema,
  type StreamingOutputCallResponse,
  TestService,
  UnimplementedService,
} from "../../gen/test/grpc/testing/test_pb.ts";
import { echoed, unknownDetail, wantDetails } from "./test-service.ts";

type Case = (client: Client<typeof TestService>, transport: Transport) => Promise<void>;
type Cases = Readonly<Record<string, Case>>;

const requestSizes = [27182, 8, 1828, 45904];
const responseSizes = [31415, 9, 2653, 58979];
const payload = (size: number): { body: Uint8Array } => ({ body: new Uint8Array(size) });
const failed = { responseStatus: { code: 2, message: "test status message" } };
const special = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";

async function* streamOf<T>(...messages: T[]): AsyncGenerator<T> {
  yield* messages;
}

/** Never yields, and ends when it is no longer wanted. */
function nothingYet<T>(): AsyncIterable<T> {
  const next = (): Promise<IteratorResult<T>> => new Promise(() => {});
  const end = async (): Promise<IteratorResult<T>> => ({ done: true, value: undefined });
  return { [Symbol.asyncIterator]: () => ({ next, return: end }) };
}

async function sizesOf(messages: AsyncIterable<StreamingOutputCallResponse>): Promise<unknown[]> {
  return Array.fromAsync(messages, ({ payload }) => payload?.body.length);
}

async function failure(promise: Promise<unknown>): Promise<ConnectError> {
  const error = await promise.then(
    () => assert.fail("the call should have failed"),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ConnectError, String(error));
  return error;
}

const binaryValues = [[0xab, 0, 0xab, 10, 11], [255], [], [0, 1, 2]];

/** Sends several binary values under one name, and gives those that come back. */
async function echoedValues(client: Client<typeof TestService>): Promise<number[][]> {
  const headers = new Headers();
  for (const value of binaryValues) {
    headers.append(echoed.trailing, encodeBinaryHeader(new Uint8Array(value)));
  }
  let trailer = new Headers();
  const onTrailer = (all: Headers): void => {
    trailer = all;
  };
  await client.unaryCall({ responseSize: 1 }, { headers, onTrailer });
  const values = trailer.get(echoed.trailing)?.split(",") ?? [];
  return values.map((value) => [...decodeBinaryHeader(value.trim())]);
}

/** Cases for every server of the suite. */
export const standardCases: Cases = {
  async empty_unary(client) {
    const { $typeName, ...response } = await client.emptyCall({});
    assert.deepEqual(response, {});
  },
  async large_unary(client) {
    const response = await client.unaryCall({ responseSize: 314159, payload: payload(271828) });
    assert.equal(response.payload?.body.length, 314159);
  },
  async client_streaming(client) {
    const requests = requestSizes.map((size) => ({ payload: payload(size) }));
    const response = await client.streamingInputCall(streamOf(...requests));
    assert.equal(response.aggregatedPayloadSize, 74922);
  },
  async server_streaming(client) {
    const responseParameters = responseSizes.map((size) => ({ size }));
    assert.deepEqual(await sizesOf(client.streamingOutputCall({ responseParameters })), responseSizes);
  },
  async ping_pong(client) {
    let responded: () => void = () => {};
    async function* pings() {
      for (const [index, size] of requestSizes.entries()) {
        const pong = new Promise<void>((resolve) => {
          responded = resolve;
        });
        yield { payload: payload(size), responseParameters: [{ size: responseSizes[index]! }] };
        await pong;
      }
    }
    const sizes: unknown[] = [];
    for await (const response of client.fullDuplexCall(pings())) {
      sizes.push(response.payload?.body.length);
      responded();
    }
    assert.deepEqual(sizes, responseSizes);
  },
  async empty_stream(client) {
    assert.deepEqual(await sizesOf(client.fullDuplexCall(streamOf())), []);
  },
  async custom_metadata(client) {
    const value = new Uint8Array([0xab, 0, 0xab, 10, 11]);
    const calls = [
      (options: object) => client.unaryCall({ responseSize: 1, payload: payload(1) }, options),
      async (options: object) => {
        const request = { responseParameters: [{ size: 1 }], payload: payload(1) };
        assert.deepEqual(await sizesOf(client.fullDuplexCall(streamOf(request), options)), [1]);
      },
    ];
    for (const call of calls) {
      let header = new Headers();
      let trailer = new Headers();
      await call({
        headers: {
          [echoed.initial]: "test_initial_metadata_value",
          [echoed.trailing]: encodeBinaryHeader(value),
        },
        onHeader: (all: Headers) => {
          header = all;
        },
        onTrailer: (all: Headers) => {
          trailer = all;
        },
      });
      assert.equal(header.get(echoed.initial), "test_initial_metadata_value");
      assert.deepEqual(decodeBinaryHeader(trailer.get(echoed.trailing)!), value);
    }
  },
  async repeated_binary_metadata_arrives(client) {
    // Go's server sends back no more than the first one.
    assert.deepEqual((await echoedValues(client))[0], binaryValues[0]);
  },
  async status_code_and_message(client) {
    const errors = [
      await failure(client.unaryCall(failed)),
      await failure(sizesOf(client.fullDuplexCall(streamOf(failed)))),
    ];
    for (const error of errors) {
      assert.equal(error.code, Code.Unknown);
      assert.equal(error.rawMessage, "test status message");
    }
  },
  async special_status_message(client) {
    const error = await failure(client.unaryCall({ responseStatus: { code: 2, message: special } }));
    assert.equal(error.code, Code.Unknown);
    assert.equal(error.rawMessage, special);
  },
  async unimplemented_method(client) {
    assert.equal((await failure(client.unimplementedCall({}))).code, Code.Unimplemented);
  },
  async unimplemented_service(_, transport) {
    const client = createClient(UnimplementedService, transport);
    assert.equal((await failure(client.unimplementedCall({}))).code, Code.Unimplemented);
  },
  async cancel_after_begin(client) {
    const stop = new AbortController();
    const response = failure(client.streamingInputCall(nothingYet(), { signal: stop.signal }));
    stop.abort();
    assert.equal((await response).code, Code.Canceled);
  },
  async cancel_after_first_response(client) {
    const stop = new AbortController();
    async function* requests() {
      yield { payload: payload(27182), responseParameters: [{ size: 31415 }] };
      yield* nothingYet<never>();
    }
    const responses = client.fullDuplexCall(requests(), { signal: stop.signal })[Symbol.asyncIterator]();
    assert.equal((await responses.next()).value.payload?.body.length, 31415);
    stop.abort();
    assert.equal((await failure(responses.next())).code, Code.Canceled);
  },
  async timeout_on_sleeping_server(client) {
    async function* requests() {
      yield { payload: payload(27182) };
      yield* nothingYet<never>();
    }
    const error = await failure(sizesOf(client.fullDuplexCall(requests(), { timeoutMs: 1 })));
    assert.equal(error.code, Code.DeadlineExceeded);
  },
  async largest_message(client) {
    const size = 4 * 1024 * 1024 - 100;
    const response = await client.unaryCall({ responseSize: size, payload: payload(size) });
    assert.equal(response.payload?.body.length, size);
  },
  async too_large_answer(client) {
    const error = await failure(client.unaryCall({ responseSize: 4 * 1024 * 1024 + 100 }));
    assert.equal(error.code, Code.ResourceExhausted);
    await client.emptyCall({});
  },
  async many_messages(client) {
    const responseParameters = Array.from({ length: 2000 }, (_, index) => ({ size: index }));
    const sizes = await sizesOf(client.streamingOutputCall({ responseParameters }));
    assert.deepEqual(
      sizes,
      responseParameters.map(({ size }) => size),
    );
  },
  async deadline_in_mid_stream(client) {
    const slow = client.streamingOutputCall(
      { responseParameters: [{ size: 1 }, { size: 1, intervalUs: 20_000_000 }] },
      { timeoutMs: 300 },
    );
    assert.equal((await failure(sizesOf(slow))).code, Code.DeadlineExceeded);
  },
};

/** Cases for servers that are the tests' own. */
export const ownCases: Cases = {
  async repeated_binary_metadata(client) {
    assert.deepEqual(await echoedValues(client), binaryValues);
  },
  async error_details(client) {
    const status = { code: 9, message: "with details ✓" };
    const headers = { [wantDetails]: "1" };
    const error = await failure(client.unaryCall({ responseStatus: status }, { headers }));
    assert.equal(error.code, Code.FailedPrecondition);
    const [detail, ...more] = error.findDetails(EchoStatusSchema);
    assert.deepEqual({ code: detail?.code, message: detail?.message, more }, { ...status, more: [] });
    const bodies = error.findDetails(PayloadSchema).map(({ body }) => [...body]);
    assert.deepEqual(bodies, [[1, 2, 3]]);
    assert.equal(error.details.length, 3);
    assert.deepEqual({ ...error.details[1] }, unknownDetail);
  },
};

const allCases: Cases = { ...standardCases, ...ownCases };

/** Runs one case; resolves with what went wrong, if something did. */
export async function runCase(name: string, transport: Transport): Promise<string | undefined> {
  try {
    const test = allCases[name];
    if (test === undefined) throw new Error(`Cannot run ${name}: there is no such case`);
    await test(createClient(TestService, transport), transport);
    return undefined;
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}
