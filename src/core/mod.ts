/**
 * The contracts that everything else is made of: calls, services and layers, outcomes, errors, the clock.
 *
 * Portable and without dependencies: policies and protocols are written against these and nothing else.
 *
 * @module
 */
export {
  Call,
  type CallEventListener,
  type CallInit,
  type CallKey,
  type CancelListener,
  callKey,
  type EndListener,
  type Idempotency,
  type Protocol,
} from "./call.ts";
export {
  type Classifier,
  defaultClassifier,
  endWithError,
  outcomeOfCancelledCall,
  outcomeOfMeshError,
  pending,
} from "./classifier.ts";
export { type Clock, clockFrom, systemClock } from "./clock.ts";
export type { Connection } from "./connection.ts";
export type { Endpoint } from "./endpoint.ts";
export {
  type FaultOf,
  isMeshError,
  isTransportError,
  MeshError,
  type MeshErrorCode,
  type MeshErrorOptions,
  type TlsReason,
  TransportError,
  type TransportErrorOptions,
  type TransportFault,
} from "./errors.ts";
export type { CallEvent, ConnectionEvent, ConnectionFacts, EndpointFacts, MeshEvent } from "./events.ts";
export { type HeaderSource, meshHeaders } from "./headers.ts";
export type {
  PeerIdentity,
  Principal,
  ServerIdentity,
  TlsIdentity,
  TlsOptions,
  TlsVersion,
} from "./identity.ts";
export { type Outcome, type OutcomeKind, ok, outcome } from "./outcome.ts";
export type { Limiter, Permit } from "./permit.ts";
export { type Random, systemRandom } from "./random.ts";
export { type AnyLayer, compose, type Layer, type ProtectOptions, protect, type Service } from "./service.ts";
export { createSource, isSource, type SettableSource, type Source, sourceOf } from "./source.ts";
export {
  httpStatusFromMeshError,
  httpStatusFromRpc,
  type RpcCode,
  rpcCodeFromHttp,
  rpcCodeFromMeshError,
  rpcCodeFromNumber,
} from "./status.ts";
