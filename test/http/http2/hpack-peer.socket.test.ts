import assert from "node:assert/strict";
import { createServer, type Http2Server, type IncomingHttpHeaders } from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { ByteSink } from "../../../src/http/http2/frame/byte-sink.ts";
import { HpackDecoder } from "../../../src/http/http2/hpack/hpack-decoder.ts";
import { HpackEncoder } from "../../../src/http/http2/hpack/hpack-encoder.ts";
import { staticNames } from "../../../src/http/http2/hpack/hpack-static-table.ts";
import { unless } from "../../support/capability.ts";

const settings = 4;
const headers = 1;

/** Speaks HTTP/2 with our header blocks: one request at a time, and the fields of its response. */
class Client {
  readonly #socket: Socket;
  readonly #encoder = new HpackEncoder();
  readonly #decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 64 * 1024 });
  #received = Buffer.alloc(0);
  #nextId = 1;
  #answer: PromiseWithResolvers<string[]> = Promise.withResolvers();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    const fail = (error?: Error): void =>
      this.#answer.reject(error ?? new Error("The connection was closed"));
    socket.on("error", fail).on("close", () => fail());
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    this.#write(settings, 0, 0, new Uint8Array(0));
  }

  request(fields: readonly string[]): Promise<string[]> {
    this.#answer = Promise.withResolvers();
    const sink = new ByteSink();
    this.#encoder.encode(fields, sink);
    this.#write(headers, 5, this.#nextId, sink.bytes.subarray(0, sink.length));
    this.#nextId += 2;
    return this.#answer.promise;
  }

  #write(type: number, flags: number, id: number, payload: Uint8Array): void {
    const head = Buffer.from([0, 0, 0, type, flags, 0, 0, 0, id]);
    head.writeUIntBE(payload.length, 0, 3);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  #read(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 9) {
      const end = 9 + this.#received.readUIntBE(0, 3);
      if (this.#received.length < end) return;
      const [type, flags] = [this.#received[3]!, this.#received[4]!];
      if (type === settings && flags === 0) {
        this.#encoder.setMaxTableBytes(tableBytesOf(this.#received.subarray(9, end)));
        this.#write(settings, 1, 0, new Uint8Array(0));
      } else if (type === headers) {
        this.#answer.resolve(this.#decoder.decode(this.#received, 9, end));
      } else if (type === 7) {
        this.#answer.reject(new Error(`GOAWAY with code ${this.#received.readUInt32BE(13)}`));
      }
      this.#received = this.#received.subarray(end);
    }
  }
}

/** SETTINGS_HEADER_TABLE_SIZE of a frame's payload. */
function tableBytesOf(payload: Buffer): number {
  for (let at = 0; at < payload.length; at += 6) {
    if (payload.readUInt16BE(at) === 1) return payload.readUInt32BE(at + 2);
  }
  return 4096;
}

for (const headerTableSize of [4096, 200, 0]) {
  describe(
    `header blocks and the runtime's own server, with a table of ${headerTableSize}`,
    unless("listen"),
    () => {
      let server: Http2Server;
      let socket: Socket;
      let client: Client;
      let came: IncomingHttpHeaders;
      before(async () => {
        server = createServer({ settings: { headerTableSize } });
        server.on("stream", (stream, fields) => {
          came = fields;
          const { traceparent = "", authorization = "" } = fields;
          stream.respond(
            { ":status": 200, "x-trace": traceparent, "x-token": authorization },
            { endStream: true },
          );
        });
        await new Promise<void>((resolve) => {
          server.listen(0, "127.0.0.1", resolve);
        });
        socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
        client = new Client(socket);
      });
      after(() => {
        socket.destroy();
        server.close();
      });

      it("name the fields of the static table as the server does", async () => {
        // From 15 on they are regular ones; the four others may not be in a request of HTTP/2, or mean something.
        const odd = ["content-length", "expect", "host", "transfer-encoding"];
        const names = staticNames.slice(15).filter((name) => !odd.includes(name));
        await client.request([
          ...[":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a"],
          ...names.flatMap((name, index) => [name, `value ${index} of a field`]),
        ]);
        for (const [index, name] of names.entries()) {
          assert.equal(String(came[name]), `value ${index} of a field`, name);
        }
      });

      it("are understood both ways, from the first call to one with everything in the table", async () => {
        const port = (server.address() as AddressInfo).port;
        for (let call = 0; call < 60; call++) {
          const trace = `00-${String(call).padStart(32, "a")}-${"b".repeat(16)}-01`;
          const token = `Bearer ${String(call % 20 < 10 ? 1 : call).repeat(200)}`;
          const note = `é ${call % 3}`;
          const path = `/pkg.Service/Method${call % 2}`;
          const answer = await client.request([
            ...[":method", "POST", ":scheme", "http", ":path", path, ":authority", `127.0.0.1:${port}`],
            ...["te", "trailers", "content-type", "application/grpc+proto", "grpc-timeout", `${call}m`],
            ...["traceparent", trace, "authorization", token, "x-note", note, "cookie", "pin=1"],
          ]);
          const { ":path": gotPath, traceparent, authorization, "x-note": gotNote, cookie } = came;
          assert.deepEqual([gotPath, traceparent, authorization], [path, trace, token]);
          assert.deepEqual([came["grpc-timeout"], gotNote, cookie], [`${call}m`, note, "pin=1"]);
          assert.deepEqual(answer.slice(0, 6), [":status", "200", "x-trace", trace, "x-token", token]);
        }
      });
    },
  );
}
