export type { AccessLogOptions } from "./access-log-options.ts";
export { attemptMetrics, clientMetrics, type MetricsLayerOptions } from "./layers.ts";
export {
  type LogFields,
  type Logger,
  type LoggingOptions,
  type LogLevel,
  type MessageFirstLogger,
  messageFirst,
} from "./logger.ts";
export {
  type BreakerView,
  type ClientLabels,
  createMetrics,
  Metrics,
  type SessionState,
} from "./metrics.ts";
export type { MetricsOptions } from "./metrics-options.ts";
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
