import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { endHeaders, endStream, getFields, Log, okFields, Played, postFields } from "./connection-fixture.ts";
import { blockOf, indexed, literal, literals, unindexed } from "./literal-fields.ts";

const headers = 1;

/** Characters that no field value may hold: all controls but the tab. */
const controls: readonly number[] = [...Array.from({ length: 32 }, (_, code) => code), 127].filter(
  (code) => code !== 9,
);

const malformed: readonly (readonly [what: string, name: string, value: string])[] = [
  ...controls.map((code): [string, string, string] => [
    `0x${code.toString(16)} in a value`,
    "x",
    `a${String.fromCharCode(code)}b`,
  ]),
  ["0x1 at the start of a value", "x", "\x01ab"],
  ["0x7f at the end of a value", "x", "ab\x7f"],
  ["0x0 in a long value", "x", `${"a".repeat(300)}\0`],
  ["a space before a value", "x", " ab"],
  ["a tab behind a value", "x", "ab\t"],
  ["a value of one space", "x", " "],
  ["an upper-case letter in a name", "X", "ab"],
  ["a space in a name", "x y", "ab"],
  ["a colon in a name", "x:y", "ab"],
  ["0x1 in a name", "x\x01", "ab"],
  ["0xe9 in a name", "x\xe9", "ab"],
  ["an empty name", "", "ab"],
  ["a pseudo-header behind other fields", ":path", "/"],
  ["a field of the connection", "connection", "close"],
  ["a transfer encoding", "transfer-encoding", "chunked"],
];

/** How an encoder writes a literal: the first byte says whether it enters the table. */
const ways: readonly (readonly [what: string, first: number])[] = [
  ["that no table takes", unindexed],
  ["that enters the table", indexed],
];

for (const [way, first] of ways) {
  describe(`a malformed field ${way}`, () => {
    for (const [what, name, value] of malformed) {
      it(`ends a request before anyone sees it: ${what}`, () => {
        const server = new Played("server");
        const block = blockOf(literals(getFields), literal(first, name, value));
        server.send(headers, endHeaders | endStream, 1, block);
        assert.deepEqual(server.told(), ["reset 1 protocolError"]);
        assert.equal(server.side.host.streams.length, 0);
        server.send(headers, endHeaders | endStream, 3, blockOf(literals(getFields)));
        assert.equal(server.side.host.streams.length, 1);
      });

      it(`ends a request whose trailers hold it: ${what}`, () => {
        const server = new Played("server");
        server.send(headers, endHeaders, 1, blockOf(literals(postFields)));
        server.send(headers, endHeaders | endStream, 1, blockOf(literal(first, name, value)));
        assert.deepEqual(server.told(), ["reset 1 protocolError"]);
        assert.deepEqual(server.side.host.streams[0]!.log.events, ["close"]);
      });

      it(`ends a response before anyone sees it: ${what}`, () => {
        const client = new Played("client");
        const log = new Log();
        client.side.connection.request(getFields, log).end();
        client.sent();
        const block = blockOf(literals(okFields), literal(first, name, value));
        client.send(headers, endHeaders | endStream, 1, block);
        assert.deepEqual(client.told(), ["reset 1 protocolError"]);
        assert.deepEqual(log.events, ["close"]);
      });

      it(`ends a response whose trailers hold it: ${what}`, () => {
        const client = new Played("client");
        const log = new Log();
        client.side.connection.request(getFields, log).end();
        client.send(headers, endHeaders, 1, blockOf(literals(okFields)));
        client.sent();
        client.send(headers, endHeaders | endStream, 1, blockOf(literal(first, name, value)));
        assert.deepEqual(client.told(), ["reset 1 protocolError"]);
        assert.deepEqual(log.events, ["headers 200", "close"]);
      });
    }
  });
}

describe("a malformed field in the table", () => {
  const inTable = malformed.filter(([, name]) => name !== ":path");
  for (const [what, name, value] of inTable) {
    it(`is refused again when only its index comes: ${what}`, () => {
      const server = new Played("server");
      server.send(
        headers,
        endHeaders | endStream,
        1,
        blockOf(literals(getFields), literal(indexed, name, value)),
      );
      server.send(headers, endHeaders | endStream, 3, blockOf(literals(getFields), [0x80 | 62]));
      assert.deepEqual(server.told(), ["reset 1 protocolError", "reset 3 protocolError"]);
      assert.equal(server.side.host.streams.length, 0);
    });
  }

  it("is refused again when a field takes its name", () => {
    const server = new Played("server");
    const named = [0x40 | 62, 1, 0x61];
    server.send(
      headers,
      endHeaders | endStream,
      1,
      blockOf(literals(getFields), literal(indexed, "x y", "a")),
    );
    server.send(headers, endHeaders | endStream, 3, blockOf(literals(getFields), named));
    // The second one entered the table as well.
    server.send(headers, endHeaders | endStream, 5, blockOf(literals(getFields), [0x80 | 62]));
    assert.deepEqual(
      server.told(),
      [1, 3, 5].map((id) => `reset ${id} protocolError`),
    );
  });

  it("does not spoil a field that takes its name with a value of its own", () => {
    const server = new Played("server");
    const named = [0x40 | 62, 1, 0x61];
    server.send(
      headers,
      endHeaders | endStream,
      1,
      blockOf(literals(getFields), literal(indexed, "x", "\x01")),
    );
    server.send(headers, endHeaders | endStream, 3, blockOf(literals(getFields), named));
    server.send(headers, endHeaders | endStream, 5, blockOf(literals(getFields), [0x80 | 62]));
    assert.deepEqual(server.told(), ["reset 1 protocolError"]);
    assert.deepEqual(
      server.side.host.streams.map(({ fields }) => fields.slice(-2)),
      [
        ["x", "a"],
        ["x", "a"],
      ],
    );
  });

  it("is refused when the static table has its name", () => {
    const server = new Played("server");
    // transfer-encoding
    const named = [0x80 | 57];
    server.send(headers, endHeaders | endStream, 1, blockOf(literals(getFields), named));
    server.send(headers, endHeaders | endStream, 3, blockOf(literals(getFields), [0x0f, 42, 1, 0x61]));
    assert.deepEqual(server.told(), ["reset 1 protocolError", "reset 3 protocolError"]);
  });
});

describe("a field that is unusual, and well-formed", () => {
  const allowed: readonly (readonly [what: string, name: string, value: string])[] = [
    ["an empty value", "x", ""],
    ["a tab and a space inside", "x", "a \tb"],
    ["bytes above ASCII", "x", "\x80caf\xe9\xff"],
    ["every mark of a name", "!#$%&'*+-.^_`|~09az", "a"],
    ["a long value", "x", "\xe9".repeat(300)],
    ["te with trailers", "te", "trailers"],
  ];
  for (const [way, first] of ways) {
    for (const [what, name, value] of allowed) {
      it(`is heard: ${what}, ${way}`, () => {
        const server = new Played("server");
        const block = blockOf(literals(getFields), literal(first, name, value));
        server.send(headers, endHeaders | endStream, 1, block);
        assert.deepEqual(server.side.host.streams[0]?.fields.slice(-2), [name, value]);
      });
    }
  }
});

describe("a request's target", () => {
  for (const path of ["/a b", "/a\tb", "/a?b c"]) {
    it(`holds no blank: ${JSON.stringify(path)}`, () => {
      const server = new Played("server");
      const fields = getFields.map((field, at) => (getFields[at - 1] === ":path" ? path : field));
      server.send(headers, endHeaders | endStream, 1, blockOf(literals(fields)));
      assert.deepEqual(server.told(), ["reset 1 protocolError"]);
    });
  }
});
