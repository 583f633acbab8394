import { reportLost } from "../core/hooks.ts";
import type { Metrics } from "../telemetry/metrics.ts";

/** What an admission tells the metrics. */
export type AdmissionMetrics = Pick<Metrics, "serverStarted" | "serverEnded" | "rejected">;

/** The same metrics, which may fail: what is not counted must not keep a request from its end. */
export function quietMetrics(metrics: AdmissionMetrics): AdmissionMetrics {
  return {
    serverStarted() {
      try {
        metrics.serverStarted();
      } catch (error) {
        reportLost("Counting a request", error);
      }
    },
    serverEnded(operation, protocol, status, seconds) {
      try {
        metrics.serverEnded(operation, protocol, status, seconds);
      } catch (error) {
        reportLost("Counting a request", error);
      }
    },
    rejected(reason) {
      try {
        metrics.rejected(reason);
      } catch (error) {
        reportLost("Counting a refusal", error);
      }
    },
  };
}
