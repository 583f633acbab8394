import type { Clock } from "../core/clock.ts";
import { onCloudflare } from "../core/platform.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** A page that takes less time is made anew for each scrape. */
const cheapMs = 5;
/** How many times as long as it took to make a page is reused: so scrapes take a tenth of the process at most. */
const reuseFactor = 10;
/** How long scrapes join one that is in progress: a collector of the application's that hangs must not block them all. */
const patienceMs = 10_000;

const encoder = new TextEncoder();

/** Encoded once, and shared by all responses. */
type Page = Uint8Array<ArrayBuffer>;

/**
 * Makes the page of `/metrics`. Anybody may scrape it, past all limits, and a full table costs tens of milliseconds and
 * megabytes: so scrapes at the same time share one page, and an expensive page is reused for a while.
 */
export function createScrape(metrics: Metrics, clock: Clock): () => Promise<Page> {
  let making: Promise<Page> | undefined;
  let startedAt = 0;
  let made: Page | undefined;
  let freshUntil = 0;

  async function make(): Promise<Page> {
    const began = clock.now();
    const page = encoder.encode(await metrics.exposition());
    const now = clock.now();
    const tookMs = now - began;
    made = tookMs < cheapMs ? undefined : page;
    freshUntil = now + tookMs * reuseFactor;
    return page;
  }

  function share(): Promise<Page> {
    const own = make();
    const forget = (): void => {
      if (making === own) making = undefined;
    };
    own.then(forget, forget);
    making = own;
    startedAt = clock.now();
    return own;
  }

  return async function scrape() {
    const now = clock.now();
    if (made !== undefined && now < freshUntil) return made;
    // On Cloudflare a promise belongs to the request that made it, and may never come when that is cancelled.
    if (onCloudflare()) return make();
    return making !== undefined && now - startedAt < patienceMs ? making : share();
  };
}
