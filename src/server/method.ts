/** Methods that need no second look; they are nearly all that ever come. */
const commonMethods: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"]);
/** Methods that no `Request` can have (in any case: they are compared that way), and what is no method at all. */
const unservable = /^(?:CONNECT|TRACE|TRACK)$|[^!#$%&'*+\-.^_`|~\w]/i;

/** Whether no handler may see a method: what a `Request` cannot be made with, no middleware and no route can serve. */
export function isUnservable(method: string): boolean {
  return !commonMethods.has(method) && unservable.test(method);
}
