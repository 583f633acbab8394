import { Code } from "@connectrpc/connect";

/** The content type of an RPC in the binary format. */
export const contentTypeProto = "application/grpc+proto";
/** The content type of an RPC in the JSON format. */
export const contentTypeJson = "application/grpc+json";

/** The encoding of the messages that a content type announces; undefined when it is not gRPC. */
export function formatOf(contentType: string | undefined): "proto" | "json" | undefined {
  switch (contentType) {
    case "application/grpc":
    case contentTypeProto:
      return "proto";
    case contentTypeJson:
      return "json";
    case undefined:
      return undefined;
  }
  const match = /^application\/grpc(?:\+(proto|json))?\s*(?:;.*)?$/i.exec(contentType);
  if (match === null) return undefined;
  return match[1]?.toLowerCase() === "json" ? "json" : "proto";
}

/** The RPC code for a response that is not gRPC, by the mapping of the gRPC specification. */
export function codeFromHttpStatus(status: number): Code {
  switch (status) {
    case 400:
      return Code.Internal;
    case 401:
      return Code.Unauthenticated;
    case 403:
      return Code.PermissionDenied;
    case 404:
      return Code.Unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return Code.Unavailable;
    default:
      return Code.Unknown;
  }
}
