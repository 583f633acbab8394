/** The methods of RFC 9110, PATCH and QUERY. */
const known: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "QUERY",
  "TRACE",
  "CONNECT",
]);

/**
 * What metrics call a request without an operation: its method, or `other`. A gateway may pass on a method that its
 * client made up, and clients must not choose labels.
 */
export function methodLabel(method: string): string {
  return known.has(method) ? method : "other";
}
