import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { ConnectError } from "@connectrpc/connect";
import type { MeshErrorCode } from "../../core/errors.ts";
import { rpcCodeFromMeshError } from "../../core/status.ts";

type Detail = ConnectError["details"][number];

const typeName = "google.rpc.ErrorInfo";
/** The `domain` of the mesh's reasons: who coined them. */
const domain = "datapunk.mesh";

/** The mesh's own code as a detail that every gRPC client knows to read: `google.rpc.ErrorInfo`. */
export function errorInfoDetail(code: MeshErrorCode): Detail {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(code);
  writer.tag(2, WireType.LengthDelimited).string(domain);
  return { type: typeName, value: writer.finish(), debug: { reason: code, domain } };
}

/** The mesh's own code among an error's details; undefined when there is none. */
export function meshCodeFromDetails(details: readonly Detail[]): MeshErrorCode | undefined {
  for (const detail of details) {
    if (!("type" in detail) || detail.type !== typeName) continue;
    const info = readErrorInfo(detail.value);
    if (info?.domain === domain && isMeshErrorCode(info.reason)) return info.reason;
  }
  return undefined;
}

function readErrorInfo(bytes: Uint8Array): { readonly reason: string; readonly domain: string } | undefined {
  const info = { reason: "", domain: "" };
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1) info.reason = reader.string();
      else if (field === 2) info.domain = reader.string();
      else reader.skip(type);
    }
  } catch {
    // A detail that cannot be read is somebody else's; the error itself is still good.
    return undefined;
  }
  return info;
}

/** Whether a name is one of the codes; a newer peer may have codes that this version does not know. */
export function isMeshErrorCode(reason: string): reason is MeshErrorCode {
  return reason.startsWith("ERR_") && rpcCodeFromMeshError(reason as MeshErrorCode) !== undefined;
}
