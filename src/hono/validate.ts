import type { Context, MiddlewareHandler } from "hono";
import { MeshError } from "../core/errors.ts";
import { checkWord } from "../core/options.ts";
import type { Violation } from "../http/problem.ts";

/** The part of the Standard Schema interface that is used here; Zod, Valibot, ArkType and others implement it. */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

/** What validating a value comes to: the value, or what is wrong with it. */
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** One thing that is wrong with a value. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** The parts of a request that can be validated. */
export type ValidationTarget = "json" | "query" | "param";

const targets: readonly ValidationTarget[] = ["json", "query", "param"];

/** A body of 1 MiB can hold hundreds of thousands of faults; the response must stay small. */
const maxViolations = 100;

/** A request that is well-formed and says something it must not. */
export class ValidationError extends MeshError {
  override readonly name: string = "ValidationError";
  /** What the problem says beside the message: the first 100. */
  readonly members: { readonly violations: readonly Violation[] };

  constructor(target: ValidationTarget, violations: readonly Violation[]) {
    const names = { json: "body", query: "query", param: "path" };
    const more = violations.length > maxViolations ? `, and ${violations.length - 1} more` : "";
    super(
      "ERR_INVALID_BODY",
      `The request ${names[target]} is not valid: ${violations[0]?.detail ?? "refused"}${more}`,
    );
    this.members = { violations: violations.slice(0, maxViolations) };
  }
}

const readers: Readonly<Record<ValidationTarget, (c: Context) => unknown>> = {
  json: (c) => c.req.json(),
  query: (c) =>
    Object.fromEntries(
      Object.entries(c.req.queries()).map(([name, values]) => [name, values.length > 1 ? values : values[0]]),
    ),
  param: (c) => c.req.param(),
};

/**
 * Validates one part of the request with any Standard Schema; the handler finds the result, typed, in
 * `c.req.valid(target)`. What is not valid gets a 400 problem that lists every violation.
 *
 * @example
 * ```ts
 * app.post("/topics", validate("json", z.object({ name: z.string() })), (c) => c.json(create(c.req.valid("json").name)));
 * ```
 */
export function validate<T extends ValidationTarget, Input, Output>(
  target: T,
  schema: StandardSchema<Input, Output>,
  // biome-ignore lint/suspicious/noExplicitAny: the environment is the app's own
): MiddlewareHandler<any, string, { in: { [K in T]: Input }; out: { [K in T]: Output } }> {
  if (readers[target] === undefined) checkWord("validate()", "target", target, targets);
  if (typeof schema?.["~standard"]?.validate !== "function") {
    throw new TypeError(
      "Cannot make validate(): its schema is none; pass one of Zod, Valibot, ArkType or another Standard Schema",
    );
  }
  return async function validateRequest(c, next) {
    const result = await schema["~standard"].validate(await readers[target](c));
    if (typeof result !== "object" || result === null) {
      throw new TypeError(
        `Cannot validate: the schema of ${schema["~standard"].vendor} returned ${typeof result}`,
      );
    }
    if (result.issues !== undefined) throw new ValidationError(target, result.issues.map(violationFrom));
    c.req.addValidatedData(target, result.value as object);
    await next();
  };
}

function violationFrom(issue: SchemaIssue): Violation {
  const pointer = (issue.path ?? [])
    .map((segment) => String(typeof segment === "object" ? segment.key : segment))
    .map((segment) => `/${segment.replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("");
  return { pointer, detail: issue.message };
}
