export type { Balancer, EndpointState } from "./balancer.ts";
export { type BalancedLayer, type BalancedOptions, balanced } from "./endpoint-layer.ts";
export type { EndpointBreakerChange, EndpointConnections, EndpointStatus } from "./endpoint-registry.ts";
export { type PowerOfTwoChoicesOptions, powerOfTwoChoices } from "./p2c.ts";
export type { EndpointPolicy } from "./service-endpoints.ts";
