/** RFC 7541, Appendix A: the fields 1 to 61, a value after the first space. */
const fields =
  ":authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|" +
  ":status 204|:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|" +
  "accept-encoding gzip, deflate|accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|" +
  "authorization|cache-control|content-disposition|content-encoding|content-language|content-length|" +
  "content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host|if-match|" +
  "if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards|" +
  "proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|" +
  "strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate";

/** How many fields the static table has; the first dynamic one has the next index. */
export const staticLength = 61;

/** The size of a dynamic table until somebody says otherwise (RFC 9113, 6.5.2). */
export const defaultTableBytes = 4096;

/** What a table counts for a field besides its name and value, in bytes (RFC 7541, 4.1). */
export const fieldOverheadBytes = 32;

/** The names by index; index 0 is none. */
export const staticNames: readonly string[] = [
  "",
  ...fields.split("|").map((field) => field.split(" ", 1)[0]!),
];

/** The values by index; index 0 is none. */
export const staticValues: readonly string[] = [
  "",
  ...fields.split("|").map((field) => (field.includes(" ") ? field.slice(field.indexOf(" ") + 1) : "")),
];
