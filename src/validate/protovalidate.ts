import { type AnyDesc, type DescMessage, type DescMethod, hasOption } from "@bufbuild/protobuf";
import { createValidator, type Validator } from "@bufbuild/protovalidate";
import { field, message, oneof } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { createValidateInterceptor } from "@connectrpc/validate";
import type { RpcValidation } from "../rpc/server/validation.ts";

/** Options of {@link protovalidate}. */
export interface ProtovalidateOptions {
  /** For custom predefined rules, or to stop at the first violation. @default createValidator() */
  readonly validator?: Validator;
}

/**
 * Enforces Protovalidate rules (`buf.validate`) on what clients send: a message that breaks one gets
 * `invalid_argument`, and the `buf.validate.Violations` as a detail. What handlers send is not checked.
 *
 * Pass it as `validate` to `mesh.serve()` or `mesh.handler()`. A rule that is itself broken (CEL that does not
 * compile) is the server's fault and ends in `internal`; `onError` is told.
 */
export function protovalidate(options: ProtovalidateOptions = {}): RpcValidation {
  const validator = options.validator ?? createValidator();
  const ruled = new Map<DescMessage, boolean>();
  const interceptor = createValidateInterceptor({ validator: strict(validator) });

  function appliesTo({ input }: DescMethod): boolean {
    let has = ruled.get(input);
    if (has === undefined) {
      has = hasRules(input, new Set());
      ruled.set(input, has);
    }
    return has;
  }

  return {
    appliesTo,
    interceptor: (next) => {
      const validated = interceptor(next);
      return (request) => (appliesTo(request.method) ? validated(request) : next(request));
    },
  };
}

/** The interceptor would blame the client for rules that cannot be run. */
function strict(validator: Validator): Validator {
  return {
    validate(schema, value) {
      const result = validator.validate(schema, value);
      if (result.kind === "error") throw result.error;
      return result;
    },
  };
}

/** Whether a message, or one that it may hold, has a rule. */
function hasRules(desc: DescMessage, seen: Set<AnyDesc>): boolean {
  if (seen.has(desc)) return false;
  seen.add(desc);
  if (hasOption(desc, message)) return true;
  if (desc.oneofs.some((each) => hasOption(each, oneof))) return true;
  return desc.fields.some(
    (each) => hasOption(each, field) || (each.message !== undefined && hasRules(each.message, seen)),
  );
}
