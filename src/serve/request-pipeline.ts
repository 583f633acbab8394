import type { Call, CallEventListener } from "../core/call.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { ignoreRejection, quietHook, reportLost } from "../core/hooks.ts";
import { checkFunction, checkObject, checkOptions, type OptionKeys, orDefault } from "../core/options.ts";
import type { Outcome } from "../core/outcome.ts";
import { compose, type Layer, type Service } from "../core/service.ts";
import { checkedSource, type Source, sourceOf } from "../core/source.ts";
import { limited } from "../policy/limited.ts";
import { timeout } from "../policy/timeout.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { acceptRequestId, newTraceparent, readContext } from "../telemetry/propagation.ts";
import type { Cors } from "./cors.ts";
import type { InboundRequest, ServedRequest, ServerLayer, ServerLayers } from "./inbound-request.ts";
import { type OperationLimits, OperationTable } from "./operation-limits.ts";
import { ServerCall } from "./server-call.ts";
import {
  addressLimited,
  clientLimited,
  countRefusals,
  exempting,
  handling,
  refuseWhen,
  responding,
  secured,
} from "./server-layers.ts";
import { type ServerOptions, type ServerState, serverStateFrom } from "./server-options.ts";

const knownRequestPipelineOptions: OptionKeys<RequestPipelineOptions> = {
  service: true,
  server: true,
  layers: true,
  metrics: true,
  clock: true,
  onEvent: true,
  accessLog: true,
  onError: true,
};

/** Options of {@link createRequestPipeline}. */
export interface RequestPipelineOptions {
  /** The name of the service that responds. */
  readonly service: string;
  /** Security, limits and time, which may change while the server runs. @default see {@link ServerOptions} */
  readonly server?: ServerOptions | Source<ServerOptions>;
  /** Layers of the application's own. @default none */
  readonly layers?: ServerLayers;
  /** @default nothing is counted */
  readonly metrics?: Metrics;
  /** @default systemClock */
  readonly clock?: Clock;
  /** Told what is decided about each call. @default nobody is */
  readonly onEvent?: CallEventListener;
  /** Writes a line for each request; stands around everything else. @default there is none */
  readonly accessLog?: ServerLayer | undefined;
  /** Told why new server options were refused; those before stay in use. @default console.error */
  readonly onError?: (error: unknown) => void;
}

/** What every request of a server passes, in REST and RPC alike. */
export interface RequestPipeline {
  /**
   * Makes the call of a request: request id, trace context, attempt, priority, clamped deadline. Never throws. It is to be
   * served next, and ends there.
   */
  open(inbound: InboundRequest): ServerCall;
  /**
   * Serves an opened call: metrics, deadline, the adapter's `respond`, layers of the application, refusal while the
   * server shuts down, limit per address, security, limit per principal, concurrency, layers of the application, and the
   * adapter's `handle`. It responds at once where nothing on the way waits.
   *
   * @throws MeshError `ERR_DEADLINE_EXCEEDED`; everything else is the adapter's to respond to
   */
  serve<Res>(call: Call, request: ServedRequest<Res>): Res | Promise<Res>;
  /** What adapters let pages of other origins do, as of now; they respond to preflights themselves, as exempt requests. */
  readonly cors: Cors | undefined;
  /** From now on every new request is refused with `ERR_SHUTTING_DOWN`. */
  close(): void;
  /** Calls that have begun and not ended, those whose response is under way included. */
  readonly inFlight: number;
}

/** What holds for an operation, and the layers that options ask for around its handler. */
interface Guarded {
  readonly limits: OperationLimits;
  readonly service: Service<ServedRequest, unknown>;
}

class LayeredPipeline implements RequestPipeline {
  readonly #service: string;
  readonly #clock: Clock;
  readonly #metrics: Metrics | undefined;
  readonly #onEvent: CallEventListener | undefined;
  #cors: Cors | undefined;
  readonly #states: Source<ServerState>;
  readonly #composed: Service<ServedRequest, unknown>;
  readonly #handler: Service<ServedRequest, unknown>;
  /** Everything that the options may change. */
  #guarded: Guarded;
  /** The same for operations with limits of their own; undefined when there are none. */
  #guardedMethods: OperationTable<Guarded> | undefined;
  #closed = false;
  #inFlight = 0;

  constructor(options: RequestPipelineOptions) {
    const who = "createRequestPipeline()";
    checkOptions(who, options, knownRequestPipelineOptions);
    if (typeof options.service !== "string" || options.service === "") {
      throw new TypeError(`Cannot make ${who}: service is missing; name the service that responds`);
    }
    this.#service = options.service;
    const clock = options.clock ?? systemClock;
    this.#clock = clock;
    this.#metrics = options.metrics;
    const layers = layersFrom(who, options.layers);
    const accessLog = checkFunction(who, "accessLog", options.accessLog);
    this.#onEvent = checkFunction(who, "onEvent", options.onEvent);
    const onError = checkFunction(who, "onError", options.onError);
    const refused = onError ?? ((error: unknown) => reportLost("A change of the server's options", error));
    let state: ServerState | undefined;
    this.#states = checkedSource(
      sourceOf(orDefault(options.server, {})),
      (value) => {
        state = serverStateFrom(who, value, clock, state);
        return state;
      },
      quietHook(refused),
    );
    this.#handler = compose<ServedRequest, unknown>(...layers.handler)(handling);
    this.#composed = this.#compose(accessLog, layers.request);
    this.#cors = this.#states.current.cors;
    this.#guarded = this.#guard(this.#states.current);
    this.#states.watch((changed) => {
      this.#cors = changed.cors;
      this.#guarded = this.#guard(changed);
    });
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get cors(): Cors | undefined {
    return this.#cors;
  }

  close(): void {
    this.#closed = true;
    ignoreRejection(this.#states.close?.());
  }

  open(inbound: InboundRequest): ServerCall {
    const now = this.#clock.now();
    const context = readContext(inbound.headers);
    const granted = now + (inbound.timeoutMs ?? context.timeoutMs ?? Infinity);
    const { limits } = this.#guardedMethods?.get(inbound.operation) ?? this.#guarded;
    const deadline = Math.min(granted, now + limits.timeoutMs);
    const streamDeadline = limits.bindsStreams ? deadline : granted;
    const call = new ServerCall(
      {
        side: "server",
        protocol: inbound.protocol,
        service: this.#service,
        operation: inbound.operation,
        deadline: inbound.streaming === true ? streamDeadline : deadline,
        attempt: context.attempt,
        priority: context.priority,
        startedAt: now,
        onEvent: this.#onEvent,
      },
      inbound,
      streamDeadline,
      limits.silence,
    );
    const fresh = context.traceparent === "";
    call.traceparent = fresh ? newTraceparent() : context.traceparent;
    call.tracestate = context.tracestate;
    // One random name is enough where both are made up here: the one leads to the other.
    call.requestId =
      fresh && context.requestId === undefined
        ? call.traceparent.slice(3, 27)
        : acceptRequestId(context.requestId);
    call.retryOwnedUpstream = context.retryOwnedUpstream;
    return call;
  }

  serve<Res>(call: Call, request: ServedRequest<Res>): Res | Promise<Res> {
    // The layers pass on what the request's own methods return.
    return this.#composed(call, request as ServedRequest) as Res | Promise<Res>;
  }

  /** The layers that options cannot change, outermost first; `docs/layers.md` has the reason for each position. */
  #compose(
    accessLog: ServerLayer | undefined,
    layers: readonly ServerLayer[],
  ): Service<ServedRequest, unknown> {
    const clock = this.#clock;
    const list: Layer<ServedRequest, unknown>[] = [
      ...(accessLog === undefined ? [] : [accessLog]),
      this.#counting(),
      timeout({ timeoutMs: Infinity, clock }),
      responding,
    ];
    if (this.#metrics !== undefined) list.push(countRefusals(this.#metrics));
    list.push(
      ...layers,
      exempting,
      refuseWhen(() => this.#closed),
    );
    return compose(...list)((call, request) =>
      (this.#guardedMethods?.get(request.operation) ?? this.#guarded).service(call, request),
    );
  }

  /** The layers that the options ask for, around the handler: for most operations, and for those with limits of their own. */
  #guard(state: ServerState): Guarded {
    const { methods } = state;
    this.#guardedMethods =
      methods.size === 0
        ? undefined
        : new OperationTable(
            new Map(
              [...methods].map(([name, own]) => [name, { limits: own, service: this.#layer(state, own) }]),
            ),
          );
    return { limits: state.limits, service: this.#layer(state, undefined) };
  }

  #layer(state: ServerState, own: OperationLimits | undefined): Service<ServedRequest, unknown> {
    const clock = this.#clock;
    const { security, peerLimiter, addressOf, limits } = state;
    const [option, limiters] =
      own?.options.rateLimit === undefined
        ? ["server.rateLimit", limits.limiters]
        : ["server.methods", own.limiters];
    const list: Layer<ServedRequest, unknown>[] = [];
    if (peerLimiter !== undefined) list.push(addressLimited(peerLimiter, addressOf));
    list.push(secured(security));
    if (limiters !== undefined) list.push(clientLimited(option, state, limiters));
    if (limits.bulkhead !== undefined) list.push(limited(limits.bulkhead, { clock }));
    if (own?.bulkhead !== undefined) list.push(limited(own.bulkhead, { clock }));
    return compose(...list)(this.#handler);
  }

  /** Counts and times requests, each once, when it ends. */
  #counting(): Layer<ServedRequest, unknown> {
    const metrics = this.#metrics;
    const clock = this.#clock;
    const ended = ({ status }: Outcome, call: Call): void => {
      this.#inFlight--;
      metrics?.serverEnded(call.operation, call.protocol, status, (clock.now() - call.startedAt) / 1000);
    };
    return (next) => (call, request) => {
      this.#inFlight++;
      call.onEnd(ended);
      try {
        metrics?.serverStarted();
      } catch (error) {
        // What is not counted must not keep a request from its end.
        reportLost("Counting a request", error);
      }
      return next(call, request);
    };
  }
}

const positions = ["request", "handler"] as const;

/**
 * Checks the layers of an application.
 *
 * @throws TypeError for a position that does not exist, or something else than functions
 */
function layersFrom(who: string, layers: ServerLayers = {}): Required<ServerLayers> {
  checkObject(`${who} layers`, layers);
  for (const name of Object.keys(layers)) {
    if (!positions.some((position) => position === name)) {
      throw new TypeError(
        `Cannot make ${who}: there is no position "${name}" for layers; use ${positions.join(" or ")}`,
      );
    }
  }
  const at = (position: (typeof positions)[number]): readonly ServerLayer[] => {
    const list: unknown = layers[position] ?? [];
    if (Array.isArray(list) && list.every((layer) => typeof layer === "function")) return list;
    throw new TypeError(
      `Cannot make ${who}: the layers at "${position}" are no list of functions; pass [(next) => (call, request) => …]`,
    );
  };
  return { request: at("request"), handler: at("handler") };
}

/**
 * Makes what every request of a server passes. A mesh has one for REST and RPC, so that limits hold for both together. Nothing is
 * awaited unless a validator, the authorisation hook or a layer of the application is asynchronous.
 *
 * @throws TypeError | RangeError when an option has the wrong type or is out of range
 */
export function createRequestPipeline(options: RequestPipelineOptions): RequestPipeline {
  return new LayeredPipeline(options);
}
