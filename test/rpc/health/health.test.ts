import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, type ConnectRouter, createClient } from "@connectrpc/connect";
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from "../../../src/gen/grpc/health/v1/health_pb.ts";
import { createFetchRpcTransport } from "../../../src/rpc/client/fetch-rpc-transport.ts";
import { healthService } from "../../../src/rpc/health/health-service.ts";
import { createHealth, type Health as MeshHealth } from "../../../src/serve/health.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { settle, VirtualClock } from "../../support/virtual-clock.ts";
import { errorOf, serveInProcess } from "../echo.ts";
import { serveStandard } from "../standard-fixture.ts";

const echo = EchoService.typeName;

describe("gRPC health of a handler", () => {
  it("is there without being asked for, and knows the whole and each service", async () => {
    const { health } = serveStandard();
    for (const service of ["", echo]) {
      assert.equal((await health.check({ service })).status, Status.SERVING, service);
    }
    const { statuses } = await health.list({});
    assert.deepEqual(Object.keys(statuses).sort(), ["", echo]);
    assert.deepEqual(
      Object.values(statuses).map(({ status }) => status),
      [Status.SERVING, Status.SERVING],
    );
  });

  it("lists every service with what is said of it, and names that nobody registered", async () => {
    const health = createHealth();
    const routes = (router: ConnectRouter): void => {
      const services = new Set([echo, "other.Service"]);
      const options = { health, services, checkIntervalMs: 5_000, clock: new VirtualClock() };
      router.service(Health, healthService(options));
    };
    const { transport } = createFetchRpcTransport({
      fetch: serveInProcess({ routes }).fetch,
      options: { origin: "https://echo.test", protocol: "connect" },
    });
    const listed = async (): Promise<Record<string, Status | undefined>> => {
      const { statuses } = await createClient(Health, transport).list({});
      return Object.fromEntries(Object.entries(statuses).map(([name, { status }]) => [name, status]));
    };
    const { SERVING, NOT_SERVING } = Status;
    health.setServing(echo, false);
    health.setServing("queue.up", true);
    health.setServing("queue.down", false);
    assert.deepEqual(await listed(), {
      "": SERVING,
      [echo]: NOT_SERVING,
      "other.Service": SERVING,
      "queue.up": SERVING,
      "queue.down": NOT_SERVING,
    });
    health.setServing(echo, true);
    assert.equal((await listed())[echo], SERVING);
    health.setReady(false);
    assert.deepEqual(new Set(Object.values(await listed())), new Set([NOT_SERVING]));
  });

  it("responds with NOT_FOUND for a service that it does not know", async () => {
    const { health } = serveStandard();
    const error = await errorOf(health.check({ service: "no.such.Service" }));
    assert.equal(error.code, Code.NotFound);
  });

  it("can be left out, and leaves the field to one that the routes bring", async () => {
    const without = serveStandard({ health: false });
    assert.equal((await without.health.check({}).catch((error) => error)).code, Code.Unimplemented);
    const own = serveStandard({
      routes: (router) => {
        router.service(Health, { check: () => ({ status: Status.UNKNOWN }) });
      },
    });
    assert.equal((await own.health.check({})).status, Status.UNKNOWN);
  });

  it("does not serve while a check fails, as /readyz says", async () => {
    let sound = false;
    const clock = new VirtualClock();
    const { health } = serveStandard({}, { checks: { disk: () => sound }, clock });
    assert.equal((await health.check({ service: echo })).status, Status.NOT_SERVING);
    sound = true;
    await clock.advance(1_000);
    assert.equal((await health.check({ service: echo })).status, Status.SERVING);
  });

  it("goes past security, limits, interceptors and metrics, which hold for the other services", async () => {
    const { mesh, health, transport } = serveStandard(
      {
        interceptors: [
          () => () => {
            throw new Error("asked for a probe");
          },
        ],
      },
      { server: { auth: { required: true }, rateLimit: { burst: 1 } } },
    );
    for (let probe = 0; probe < 5; probe++) {
      assert.equal((await health.check({})).status, Status.SERVING);
    }
    const error = await errorOf(createClient(EchoService, transport).echo({}));
    assert.equal(error.code, Code.Unauthenticated);
    const exposition = await mesh.metrics.exposition();
    assert.doesNotMatch(exposition, /grpc\.health/);
    assert.match(exposition, /EchoService\/Echo/);
  });

  it("refuses an interval that is none", () => {
    assert.throws(() => serveStandard({ health: { checkIntervalMs: 0 } }), RangeError);
  });
});

/** A watched health, and what the watcher was told. */
function watched(
  health: MeshHealth,
  service: string,
  clock: VirtualClock = new VirtualClock(),
): { seen: (Status | undefined)[]; end: Promise<void>; leave: () => void } {
  const routes = (router: ConnectRouter): void => {
    const services = new Set([echo]);
    router.service(Health, healthService({ health, services, checkIntervalMs: 5_000, clock }));
  };
  const { fetch } = serveInProcess({ routes });
  const { transport } = createFetchRpcTransport({
    fetch,
    options: { origin: "https://echo.test", protocol: "connect" },
  });
  const controller = new AbortController();
  const seen: Status[] = [];
  const end = (async () => {
    const stream = createClient(Health, transport).watch({ service }, { signal: controller.signal });
    for await (const { status } of stream) seen.push(status as Status);
  })();
  end.catch(() => {});
  return { seen, end, leave: () => controller.abort() };
}

/** Until nothing moves any more: a message passes several streams. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await settle();
}

describe("Watch of gRPC health", () => {
  it("tells the status at once, and then only changes", async () => {
    const health = createHealth();
    const { seen, leave } = watched(health, echo);
    await quiet();
    assert.deepEqual(seen, [Status.SERVING]);
    health.setServing("another.Service", false);
    health.setServing(echo, true);
    await quiet();
    assert.deepEqual(seen, [Status.SERVING]);
    health.setServing(echo, false);
    await quiet();
    health.setReady(false);
    await quiet();
    health.setServing(echo, true);
    await quiet();
    assert.deepEqual(seen, [Status.SERVING, Status.NOT_SERVING]);
    health.setReady(true);
    await quiet();
    assert.deepEqual(seen, [Status.SERVING, Status.NOT_SERVING, Status.SERVING]);
    leave();
  });

  it("stays with a service that is not known, in case it becomes known", async () => {
    const health = createHealth();
    const { seen, leave } = watched(health, "late.Service");
    await quiet();
    assert.deepEqual(seen, [Status.SERVICE_UNKNOWN]);
    health.setServing("late.Service", true);
    await quiet();
    assert.deepEqual(seen, [Status.SERVICE_UNKNOWN, Status.SERVING]);
    leave();
  });

  it("has the checks asked now and then, and notices what they find", async () => {
    const clock = new VirtualClock();
    let sound = true;
    const health = createHealth({ clock, checks: { disk: () => sound } });
    const { seen, leave } = watched(health, "", clock);
    await quiet();
    sound = false;
    await clock.advance(4_999);
    await quiet();
    assert.deepEqual(seen, [Status.SERVING]);
    await clock.advance(1);
    await quiet();
    assert.deepEqual(seen, [Status.SERVING, Status.NOT_SERVING]);
    leave();
    await quiet();
    assert.equal(clock.pending, 0);
  });

  it("says NOT_SERVING and ends when the server drains, which waits for that", async () => {
    const health = createHealth();
    const { seen, end } = watched(health, echo);
    await quiet();
    const told = health.drain();
    assert.ok(told instanceof Promise);
    await told;
    await end;
    assert.deepEqual(seen, [Status.SERVING, Status.NOT_SERVING]);
  });

  it("leaves nothing behind when its client goes", async () => {
    const health = createHealth();
    let listening = 0;
    const { subscribe } = health;
    health.subscribe = (listener) => {
      listening++;
      const stop = subscribe.call(health, listener);
      return () => {
        listening--;
        stop();
      };
    };
    const { leave, end } = watched(health, echo);
    await quiet();
    assert.equal(listening, 1);
    leave();
    await assert.rejects(end);
    await quiet();
    assert.equal(listening, 0);
    assert.equal(health.drain(), undefined);
  });
});
