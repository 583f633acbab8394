import { create, toBinary } from "@bufbuild/protobuf";
import { type Code, ConnectError } from "@connectrpc/connect";
import { rpcCodeFromNumber } from "../../core/status.ts";
import { checkSendable } from "../dialect/call-headers.ts";
import { codeFromRpc } from "../dialect/mesh-error-codes.ts";

/**
 * The same error, fit to be written in every protocol. A handler can make an error of anything: with a code that does
 * not exist, or a text that is no Unicode.
 *
 * @throws TypeError for metadata and details that cannot be written at all
 */
export function writableError(error: ConnectError): ConnectError {
  checkSendable(error.metadata);
  for (const detail of error.details) checkDetail(detail);
  const code = rpcCodeFromNumber(error.code) === undefined ? codeFromRpc("unknown") : error.code;
  const text = writableText(error.rawMessage);
  return code === error.code && text === error.rawMessage ? error : copyOf(error, code, text);
}

function checkDetail(detail: ConnectError["details"][number]): void {
  if ("desc" in detail) toBinary(detail.desc, create(detail.desc, detail.value));
  else if (typeof detail.type !== "string" || !(detail.value instanceof Uint8Array)) {
    throw new TypeError("Cannot send the detail of an error: pass desc and value, or type and bytes");
  }
}

/** Halves of characters have no UTF-8. */
function writableText(text: unknown): string {
  return new TextDecoder().decode(new TextEncoder().encode(text === undefined ? "" : String(text)));
}

function copyOf(error: ConnectError, code: Code, text: string): ConnectError {
  const copy = new ConnectError(text, code, error.metadata, undefined, error.cause);
  copy.details = error.details;
  return copy;
}
