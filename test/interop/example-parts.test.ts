import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { CsvReader } from "../../examples/services/lake/csv-reader.ts";
import { DatasetStore } from "../../examples/services/lake/dataset-store.ts";
import { JsonReader } from "../../examples/services/lake/json-reader.ts";
import type { Row, RowReader } from "../../examples/services/lake/rows.ts";
import { FellBehindError, TopicLog } from "../../examples/services/stream/topic-log.ts";
import { callsBetween, callsFromMetrics } from "../../examples/tour/calls.ts";

function rowsOf(reader: RowReader, text: string, pieceLength: number): Row[] {
  const rows: Row[] = [];
  for (let at = 0; at < text.length; at += pieceLength)
    rows.push(...reader.push(text.slice(at, at + pieceLength)));
  rows.push(...reader.end());
  return rows;
}

describe("the Lake's row readers", () => {
  const cases: readonly [string, () => RowReader, string, Row[]][] = [
    [
      "CSV",
      () => new CsvReader(),
      "a,b\r\n1,2\r\n3,",
      [
        { a: "1", b: "2" },
        { a: "3", b: "" },
      ],
    ],
    ["quoted CSV", () => new CsvReader(), 'a,"b ""c"""\n"1,\n2",x\n', [{ a: "1,\n2", 'b "c"': "x" }]],
    [
      "a JSON array",
      () => new JsonReader(),
      ' [{"a":1,"b":"]}\\""},\n{"a":null}]',
      [{ a: "1", b: ']}"' }, { a: "" }],
    ],
    [
      "GeoJSON",
      () => new JsonReader(),
      '{"meta":{"x":[1]},"features":[{"type":"Feature","id":"q","properties":{"mag":4.5},"geometry":[{"a":1}]}],"bbox":[{}]}',
      [{ id: "q", mag: "4.5" }],
    ],
  ];
  for (const [what, create, text, expected] of cases) {
    it(`read ${what}, however it is cut into pieces`, () => {
      for (const length of [1, 2, 3, 7, 1000]) assert.deepEqual(rowsOf(create(), text, length), expected);
    });
  }

  for (const text of ["", "[", "[{}] 1", "[]]", '[{"a":}]', "7", '["', "{"]) {
    it(`refuse JSON that is ${JSON.stringify(text)}`, () => {
      assert.throws(() => rowsOf(new JsonReader(), text, 100), { name: "DatasetFormatError" });
    });
  }

  for (const text of ["", "a,b\n1\n", 'a\n"1']) {
    it(`refuse CSV that is ${JSON.stringify(text)}`, () => {
      assert.throws(() => rowsOf(new CsvReader(), text, 100), { name: "DatasetFormatError" });
    });
  }
});

describe("the Lake's store", () => {
  let folder = "";
  const bytes = (text: string): Uint8Array[] => [new TextEncoder().encode(text)];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "mesh-lake-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("keeps the datasets and nothing else over a restart", async () => {
    const before = await DatasetStore.open(folder);
    await Promise.all(["a\n1\n", "a\n1\n2\n"].map((text) => before.put("numbers", "text/csv", bytes(text))));
    writeFileSync(join(folder, "numbers.left-by-a-crash.data"), "half");
    const after = await DatasetStore.open(folder);
    assert.deepEqual(after.list(), before.list());
    assert.equal(readdirSync(folder).length, 2);
    const rows = await Array.fromAsync((await after.rows("numbers"))!);
    assert.equal(rows.length, after.get("numbers")?.rows);
  });

  it("leaves the old dataset in place when the new one is broken", async () => {
    const store = await DatasetStore.open(folder);
    const old = await store.put("numbers", "text/csv", bytes("a\n1\n"));
    await assert.rejects(store.put("numbers", "text/csv", bytes("a,b\n1\n")), { name: "DatasetFormatError" });
    assert.deepEqual(store.get("numbers"), old);
    assert.equal(readdirSync(folder).length, 2);
  });

  for (const name of ["", "..", "../numbers", "a/b", "a.json", "A", "x".repeat(64), "\0"]) {
    it(`refuses the name ${JSON.stringify(name)}`, async () => {
      const store = await DatasetStore.open(folder);
      await assert.rejects(store.put(name, "text/csv", bytes("a\n1\n")), { name: "DatasetFormatError" });
      assert.deepEqual(readdirSync(folder), []);
    });
  }

  it("deletes a dataset once, while its readers read on", async () => {
    const store = await DatasetStore.open(folder);
    await store.put("numbers", "text/csv", bytes("a\n1\n"));
    const content = await store.content("numbers");
    assert.deepEqual([await store.delete("numbers"), await store.delete("numbers")], [true, false]);
    assert.equal(await new Response(content?.bytes).text(), "a\n1\n");
    assert.deepEqual(readdirSync(folder), []);
  });
});

describe("a topic of the Stream", () => {
  const event = (id: string) => ({ id, topic: "t", type: "x", source: "", attributes: {} });
  const forever = new AbortController().signal;

  it("takes an id once, and hands what is kept and what comes to a follower", async () => {
    const log = new TopicLog("t", 10);
    log.publish(event("a"));
    assert.deepEqual(log.publish(event("a")), { sequence: 1n, duplicate: true });
    const follower = log.follow(0n, forever);
    assert.equal((await follower.next()).value?.id, "a");
    const next = follower.next();
    log.publish(event("b"));
    assert.equal((await next).value?.sequence, 2n);
    assert.equal(log.followers, 1);
    await follower.return(undefined);
    assert.equal(log.followers, 0);
  });

  it("keeps so many events, and tells a follower who fell behind", async () => {
    const log = new TopicLog("t", 2);
    log.publish(event("a"));
    const slow = log.follow(0n, forever);
    await slow.next();
    for (const id of ["b", "c", "d"]) log.publish(event(id));
    await assert.rejects(slow.next(), FellBehindError);
    const kept = await Array.fromAsync(log.follow(0n, forever, true), ({ id }) => id);
    assert.deepEqual(kept, ["c", "d"]);
  });

  it("starts anew for a follower who remembers a former life", async () => {
    const log = new TopicLog("t", 2);
    log.publish(event("a"));
    assert.equal((await log.follow(77n, forever).next()).value?.id, "a");
  });

  it("lets a follower go who does not want to wait any longer", async () => {
    const stop = new AbortController();
    const next = new TopicLog("t", 2).follow(0n, stop.signal).next();
    stop.abort();
    assert.equal((await next).done, true);
  });
});

describe("the account of the tour", () => {
  const labels = 'service="lake",operation="GET /x",protocol="rest"';
  const metrics = (ok: number, failed: number, retries: number): string =>
    [
      `mesh_client_requests_total{${labels},outcome="ok"} ${ok}`,
      `mesh_client_requests_total{${labels},outcome="unavailable"} ${failed}`,
      `mesh_client_request_duration_seconds_sum{${labels},outcome="ok"} ${ok / 10}`,
      `mesh_client_retries_total{${labels}} ${retries}`,
    ].join("\n");
  const scrape = (life: number, text: string) => ({
    service: "gateway",
    life,
    counts: callsFromMetrics("gateway", text, ""),
  });

  it("counts what happened between two looks", () => {
    const [call] = callsBetween(scrape(1, metrics(10, 1, 2)), scrape(1, metrics(30, 2, 5)));
    assert.deepEqual(
      { calls: call?.calls, failed: call?.failed, retries: call?.retries, from: call?.from, to: call?.to },
      { calls: 21, failed: 1, retries: 3, from: "gateway", to: "lake" },
    );
  });

  it("does not take a restarted process for one that runs backwards", () => {
    const [call] = callsBetween(scrape(1, metrics(10, 0, 0)), scrape(2, metrics(3, 0, 0)));
    assert.equal(call?.calls, 3);
  });
});
