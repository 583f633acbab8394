export { attemptMetrics, clientMetrics, type MetricsLayerOptions } from "./layers.ts";
export {
  type BreakerView,
  type ClientLabels,
  createMetrics,
  Metrics,
  type MetricsOptions,
  type SessionState,
} from "./metrics.ts";
export { type MessageReaderContext, readContext, writeContext } from "./propagation.ts";
export { acceptRequestId, newRequestId } from "./request-id.ts";
export {
  childTraceparent,
  formatTraceparent,
  newSpanId,
  newTraceparent,
  parseTraceparent,
  readTracestate,
  type TraceContext,
} from "./trace-context.ts";
