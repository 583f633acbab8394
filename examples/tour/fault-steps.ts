import { setTimeout as sleep } from "node:timers/promises";
import { duration, number } from "./account.ts";
import { hashOf } from "./data-steps.ts";
import { countRows, flights, weather } from "./sources.ts";
import { ask, check, linesOf, type Step, type Tour } from "./tour.ts";
import { startTraffic, type Traffic, type TrafficReport } from "./traffic.ts";

const workers = 6;

/** Restarts the Lake as a deployment would: it drains, and the callers wait for its successor. */
export const restart: Step = {
  title: "Restart the Lake under traffic, without a failed request",
  async run(tour) {
    const traffic = mixedTraffic(tour);
    await traffic.responded(60);
    const slow = slowDownload(tour);
    await slow.begun;
    const { stopMs, startMs } = await tour.fleet.restart("lake");
    await traffic.responded(60);
    const report = await traffic.stop();
    const sha256 = await slow.sha256;
    const { failures } = report;
    check(failures.length === 0, "no failed request", `${failures.length}: ${failures[0]}`);
    check(sha256 === flights.sha256, "the download in flight to be complete", sha256);
    tour.note(
      `SIGTERM: drained and gone after ${duration(stopMs)}, its successor ready after ${duration(startMs)}`,
    );
    tour.note("a slow download of 9.9 MB that was in flight came through whole");
    tour.note(summary(report));
  },
};

/** Kills the Lake as a fault would; the watch starts it again, the gateway retries and recovers. */
export const kill: Step = {
  title: "Kill the Lake with SIGKILL under traffic, and watch the gateway recover",
  async run(tour) {
    const traffic = mixedTraffic(tour);
    await traffic.responded(60);
    const downMs = await tour.fleet.kill("lake");
    await traffic.responded(60);
    const report = await traffic.stop();
    // Only responses that had begun at that moment can break: one request of each worker at most.
    check(
      report.failures.length <= workers,
      `at most ${workers} broken requests`,
      report.failures.join("; "),
    );
    const stored = await (await ask(tour, `/api/datasets/${flights.name}`)).json();
    check(stored.sha256 === flights.sha256, "the datasets to survive", stored.sha256);
    tour.note(`SIGKILL: started again and ready after ${duration(downMs)}; every dataset is still there`);
    tour.note(summary(report));
  },
};

/** Reads over REST and over gRPC, and small writes, in turn. */
function mixedTraffic(tour: Tour): Traffic {
  const snow = countRows(weather, "weather", "snow");
  const small = JSON.stringify(flights.rows.slice(0, 100));
  const requests = [
    async () => {
      const stored = await (await ask(tour, `/api/datasets/${weather.name}`)).json();
      check(stored.sha256 === weather.sha256, `SHA-256 ${weather.sha256}`, stored.sha256);
    },
    async () => {
      let rows = 0;
      const response = await ask(tour, `/api/datasets/${weather.name}/rows?column=weather&equals=snow`);
      for await (const _ of linesOf(response)) rows++;
      check(rows === snow, `${snow} rows`, rows);
    },
    async () => {
      const headers = { "content-type": "application/json" };
      const stored = await (
        await ask(tour, "/api/datasets/sample", { method: "PUT", headers, body: small })
      ).json();
      check(stored.rows === 100, "100 rows", stored.rows);
    },
  ];
  return startTraffic(workers, (n) => requests[n % requests.length]!());
}

/** A download whose reader takes its time, so that it is in flight when the Lake is told to stop. */
function slowDownload(tour: Tour): { begun: Promise<void>; sha256: Promise<string> } {
  const response = ask(tour, `/api/datasets/${flights.name}/content`);
  const sha256 = response.then((response) => {
    const pace = new TransformStream<Uint8Array, Uint8Array>({
      async transform(piece, controller) {
        await sleep(2);
        controller.enqueue(piece);
      },
    });
    return hashOf(new Response(response.body?.pipeThrough(pace)));
  });
  // The first to await it may be late.
  sha256.catch(() => {});
  return { begun: response.then(() => {}), sha256 };
}

function summary({ requests, failures, medianMs, slowestMs }: TrafficReport): string {
  const failed =
    failures.length === 0 ? "none failed" : `${failures.length} broke in mid-response (${failures[0]})`;
  return `${number(requests)} requests by ${workers} clients: ${failed}; median ${duration(medianMs)}, slowest ${duration(slowestMs)}`;
}
