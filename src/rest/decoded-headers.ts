/** Encodings that platforms decode by themselves, one or several over each other. */
const decodedEncodings = /^(?:\s*(?:(?:x-)?gzip|deflate|br|zstd|identity)\s*(?:,|$))+$/i;

/** The headers of a body that `fetch` has decoded already, but still describes as it came. */
export function decodedHeaders(headers: Headers): Headers {
  const encoding = headers.get("content-encoding");
  if (encoding === null || !decodedEncodings.test(encoding)) return headers;
  const decoded = new Headers(headers);
  decoded.delete("content-encoding");
  decoded.delete("content-length");
  return decoded;
}
