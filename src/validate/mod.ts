/**
 * Protovalidate for RPC servers: the rules that a proto states are enforced before a handler runs.
 *
 * An entry of its own, because the rules are written in CEL: the interpreter is larger than the mesh, and only who
 * asks for it should carry it.
 *
 * @example
 * ```ts
 * import { createMesh } from "@datapunk/mesh";
 * import { protovalidate } from "@datapunk/mesh/validate";
 *
 * const mesh = createMesh({ service: "lake" });
 * mesh.handler({ routes: (router) => router.service(LakeService, lake), validate: protovalidate() });
 * ```
 * @module
 */
export type { RpcValidation } from "../rpc/server/validation.ts";
export { type ProtovalidateOptions, protovalidate } from "./protovalidate.ts";
