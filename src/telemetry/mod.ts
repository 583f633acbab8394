export { attemptMetrics, clientMetrics, type MetricsLayerOptions } from "./layers.ts";
export {
  type BreakerView,
  type ClientLabels,
  createMetrics,
  Metrics,
  type MetricsOptions,
  type SessionState,
} from "./metrics.ts";
export {
  acceptRequestId,
  childTraceparent,
  formatTraceparent,
  type MessageReaderContext,
  newRequestId,
  newSpanId,
  newTraceparent,
  parseTraceparent,
  readContext,
  readTracestate,
  type TraceContext,
  writeContext,
} from "./propagation.ts";
