import type { ConnectionOptions } from "../../../src/http/http2/connection-options.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { Played } from "./connection-fixture.ts";

/** A server whose time passes as a test says. */
export interface Timed {
  readonly server: Played;
  readonly clock: VirtualClock;
}

/** Makes one, with the limits of a listener. */
export function timed(overrides: Partial<ConnectionOptions> = {}): Timed {
  const clock = new VirtualClock();
  const server = new Played("server", {
    stalledMs: 300_000,
    slowBodyMs: 75_000,
    headersTimeoutMs: 15_000,
    minProgressBytes: 1_024,
    clock,
    ...overrides,
  });
  return { server, clock };
}

/** Does something every so often, as long as the connection lives and for so long at most; says how long that was. */
export async function every(
  { clock, server }: Timed,
  stepMs: number,
  totalMs: number,
  act: (at: number) => void = () => {},
): Promise<number> {
  let at = 0;
  for (; at < totalMs && server.side.host.closed === 0; at += stepMs) {
    act(at);
    await clock.advance(stepMs);
  }
  return at;
}
