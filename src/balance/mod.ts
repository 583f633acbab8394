export type { Balancer, EndpointState } from "./balancer.ts";
export {
  type BalancedLayer,
  type BalancedOptions,
  balanced,
  type EndpointBreakerChange,
  type EndpointStatus,
} from "./endpoint-layer.ts";
export { type PowerOfTwoChoicesOptions, powerOfTwoChoices } from "./p2c.ts";
