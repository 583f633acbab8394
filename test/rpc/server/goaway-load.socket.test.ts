import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createMesh, staticResolver } from "../../../mod.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";
import { within } from "../../net/listen/listener-fixture.ts";
import { unless } from "../../support/capability.ts";
import { Cleanup, deferred } from "../client/grpc-checks.ts";
import { serveMesh, until } from "../socket-fixture.ts";

const workers = 40;
/** Calls that are responded to before a server goes, and again when it has gone. */
const phase = 400;
/** Calls that are under way at the server that goes. */
const held = 5;

describe("a server that is closed under load", unless("listen", "grpcClient"), () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  /** An EchoService that says where it ran, and can hold its responses back. */
  async function serve(name: string) {
    const state = { calls: 0, holding: 0, gate: undefined as Promise<void> | undefined };
    const server = await serveMesh(cleanup, (router) =>
      router.service(EchoService, {
        async echo({ text }) {
          state.calls++;
          if (state.gate !== undefined) {
            state.holding++;
            await state.gate;
          }
          return { text: `${text} by ${name}` };
        },
      }),
    );
    return { server, state };
  }

  for (const protocol of ["grpc", "connect", "grpc-web"] as const) {
    it(`costs no call where there is another one, by ${protocol}`, async () => {
      const [leaving, staying] = [await serve("leaving"), await serve("staying")];
      const resolver = staticResolver({ echo: [leaving.server.url, staying.server.url] });
      const mesh = createMesh({ service: "caller", resolver });
      cleanup.add(() => mesh.close());
      const echo = createClient(EchoService, mesh.transport("echo", { protocol, httpVersion: "2" }));
      let answered = 0;
      let goal = Number.POSITIVE_INFINITY;
      const work = async (worker: number): Promise<void> => {
        for (let turn = 0; answered < goal; turn++) {
          const text = `${worker}.${turn}`;
          const response = await echo.echo({ text });
          assert.ok([`${text} by leaving`, `${text} by staying`].includes(response.text), response.text);
          answered++;
        }
      };
      const load = Promise.all(Array.from({ length: workers }, (_, worker) => work(worker)));
      load.catch(() => {});
      await until(() => answered >= phase);
      const gate = deferred();
      leaving.state.gate = gate.promise;
      await until(() => leaving.state.holding >= held);
      const closed = leaving.server.close();
      const atClose = answered;
      await until(() => answered >= atClose + phase);
      gate.resolve();
      await within(closed, "the end of the server");
      goal = answered + phase;
      // No call has failed: one that did would end the load.
      await within(load, "the end of the load");
      // Nothing ran twice.
      assert.equal(leaving.state.calls + staying.state.calls, answered);
    });
  }
});
