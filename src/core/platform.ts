/**
 * Whether this is Cloudflare's runtime, on their network or in workerd: there timers and streams belong to the
 * request that made them, and the platform itself writes headers that no client can make up.
 */
export function onCloudflare(): boolean {
  return globalThis.navigator?.userAgent === "Cloudflare-Workers";
}

/** On Cloudflare's runtime none: it codes a body anew by the fields that go with it. */
function decodedCodings(): readonly string[] {
  if (onCloudflare()) return [];
  return globalThis.navigator?.userAgent.startsWith("Deno/")
    ? ["gzip", "br"]
    : ["gzip", "deflate", "br", "zstd"];
}

let decoded: readonly string[] | undefined;

/**
 * Whether this runtime's `fetch` takes such a coding off a body. The fields of the response may still describe what came:
 * passed on, the body no longer has their length and coding.
 */
export function isDecoded(contentEncoding: string | null | undefined): boolean {
  const codings = contentEncoding?.split(",");
  decoded ??= decodedCodings();
  return codings?.every((each) => decoded?.includes(each.trim().toLowerCase())) === true;
}
