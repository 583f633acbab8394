import type { Clock } from "../core/clock.ts";
import { onCloudflare } from "../core/platform.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** A page that is ready sooner is made anew each time. */
const cheapMs = 5;
/** A page is shown again for so many times as long as it took to make: scrapers get a tenth of the process at most. */
const reuseFactor = 10;
/** A collector of the application's own that hangs must not keep later scrapes from their page. */
const patienceMs = 10_000;

const encoder = new TextEncoder();

/** Bytes, so that all who are given a page share them, and none is encoded anew for each. */
type Page = Uint8Array<ArrayBuffer>;

/**
 * Makes the page of `/metrics`. Anybody may ask for it, past all limits, and a full table takes tens of milliseconds and
 * megabytes: so those who ask at the same time share one, and one that took long is shown again for a while.
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
