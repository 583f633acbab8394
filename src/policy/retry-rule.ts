import type { Call } from "../core/call.ts";
import type { TransportFault } from "../core/errors.ts";
import { ignoreRejection } from "../core/hooks.ts";
import { checkBoolean, checkFunction, checkOptions, type OptionKeys } from "../core/options.ts";
import type { Outcome, OutcomeKind } from "../core/outcome.ts";
import { type RpcCode, rpcCodes } from "../core/status.ts";
import { type Backoff, backoffFrom, type FullJitterOptions } from "./backoff.ts";

/** One or several of these. */
export type OneOrMore<T> = T | readonly T[];

/** An HTTP status from 400 to 599, or all of a hundred. */
export type RetryStatus = number | "4xx" | "5xx";

/**
 * Which failures are repeated. A rule holds for an attempt whose failure is one of those that it names, under whichever
 * of the names, and for which `when` says so as well.
 *
 * @example
 * ```ts
 * const rules: RetryRule[] = [
 *   { status: [502, 503], code: "unavailable", backoff: { baseMs: 20 } },
 *   { fault: "tls", retry: false },
 *   { kind: ["retryable", "rejected"] },
 * ];
 * ```
 */
export interface RetryRule {
  /** The status of a REST response. */
  readonly status?: OneOrMore<RetryStatus>;
  /** The code of an RPC; `deadline_exceeded` is also an attempt, in any protocol, that took too long. */
  readonly code?: OneOrMore<RpcCode>;
  /** How the connection failed. */
  readonly fault?: OneOrMore<TransportFault>;
  /** What the failure means, whatever the protocol. */
  readonly kind?: OneOrMore<Exclude<OutcomeKind, "success" | "cancelled">>;
  /** Looks closer; asked only about what the rule names. @default every one of them */
  readonly when?: (outcome: Outcome, call: Call) => boolean;
  /** `false`: what the rule holds for is not repeated. @default true */
  readonly retry?: boolean;
  /** The wait after such a failure, where the server did not say. @default that of the retry */
  readonly backoff?: Backoff | FullJitterOptions;
}

const knownRule: OptionKeys<RetryRule> = {
  status: true,
  code: true,
  fault: true,
  kind: true,
  when: true,
  retry: true,
  backoff: true,
};

const faults: Readonly<Record<TransportFault, true>> = {
  refused: true,
  dns: true,
  unreachable: true,
  tls: true,
  "no-http2": true,
  "never-started": true,
  reset: true,
  closed: true,
  unknown: true,
};

/** All faults of a connection, by their names. */
export const transportFaults: readonly TransportFault[] = Object.keys(faults) as TransportFault[];

const kinds = ["failure", "retryable", "rejected"] as const;

function listOf<T>(value: OneOrMore<T> | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}

function refuse(who: string, name: string, value: unknown, remedy: string): never {
  const shown = typeof value === "string" ? JSON.stringify(value) : String(value);
  throw new TypeError(`Cannot make ${who}: ${name} is ${shown}; pass ${remedy}`);
}

function namesOf<T extends string>(
  who: string,
  name: string,
  given: OneOrMore<T> | undefined,
  known: readonly T[],
): readonly T[] {
  const list = listOf(given);
  for (const each of list) {
    if (known.includes(each)) continue;
    refuse(who, name, each, `some of ${known.join(", ")}`);
  }
  return list;
}

/** The names by which outcomes call these HTTP statuses. */
function statusNames(who: string, given: RetryRule["status"]): readonly string[] {
  return listOf(given).flatMap((status) => {
    if (status === "4xx" || status === "5xx") {
      const first = Number(status[0]) * 100;
      return Array.from({ length: 100 }, (_, index) => `http_${first + index}`);
    }
    if (Number.isInteger(status) && status >= 400 && status <= 599) return [`http_${status}`];
    return refuse(who, "status", status, 'statuses from 400 to 599, "4xx" or "5xx"');
  });
}

/** A rule that was checked. */
export interface CheckedRule {
  readonly retry: boolean;
  readonly backoff: Backoff | undefined;
  readonly holds: (outcome: Outcome, call: Call) => boolean;
}

function checkedRule(who: string, rule: RetryRule): CheckedRule {
  checkOptions(who, rule, knownRule);
  const statuses: ReadonlySet<string> = new Set([
    ...statusNames(who, rule.status),
    ...namesOf(who, "code", rule.code, rpcCodes),
    ...namesOf(who, "fault", rule.fault, transportFaults).map((fault) => `transport_${fault}`),
  ]);
  const means: ReadonlySet<string> = new Set(namesOf(who, "kind", rule.kind, kinds));
  const when = checkFunction(who, "when", rule.when);
  const namesNone = statuses.size === 0 && means.size === 0;
  if (namesNone && when === undefined) {
    throw new TypeError(
      `Cannot make ${who}: it says nothing about which failures; pass status, code, fault, kind or when`,
    );
  }
  return {
    retry: checkBoolean(who, "retry", rule.retry) ?? true,
    backoff: rule.backoff === undefined ? undefined : backoffFrom(who, rule.backoff),
    holds(outcome, call) {
      if (!namesNone && !statuses.has(outcome.status) && !means.has(outcome.kind)) return false;
      if (when === undefined) return true;
      const said: unknown = when(outcome, call);
      ignoreRejection(said);
      return said === true;
    },
  };
}

/**
 * Checks rules where they are given.
 *
 * @throws TypeError | RangeError when one of them makes no sense
 */
export function rulesFrom(who: string, given: OneOrMore<RetryRule>): readonly CheckedRule[] {
  const rules = listOf(given);
  if (rules.length === 0) {
    throw new TypeError(`Cannot make ${who}: on is an empty list; pass at least one rule, or leave it out`);
  }
  return rules.map((rule, index) =>
    checkedRule(rules.length === 1 ? `${who} on` : `${who} on[${index}]`, rule),
  );
}
