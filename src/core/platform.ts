/**
 * Whether this is Cloudflare's runtime, on their network or in workerd: there timers and streams belong to the
 * request that made them, and the platform itself writes headers that no client can make up.
 */
export function onCloudflare(): boolean {
  return globalThis.navigator?.userAgent === "Cloudflare-Workers";
}
