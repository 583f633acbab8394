/** The usual methods, which need no further check. */
const commonMethods: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"]);
/** Methods that no `Request` can have (Fetch compares them without regard to case), and text that is not a method. */
const unservable = /^(?:CONNECT|TRACE|TRACK)$|[^!#$%&'*+\-.^_`|~\w]/i;

/** Whether a method must not reach a handler, because no `Request` can be made with it. */
export function isUnservable(method: string): boolean {
  return !commonMethods.has(method) && unservable.test(method);
}

/** What metrics call a request without a route: its method, or `other`, because clients must not choose labels. */
export function methodLabel(method: string): string {
  return method === "GET" || method === "HEAD" || commonMethods.has(method) ? method : "other";
}
