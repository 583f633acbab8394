const scheme = "spiffe://";
/** The longest trust domain, in bytes: that of a host in a URI. */
const maxTrustDomainLength = 255;
/** The longest SPIFFE ID, in bytes, that the specification lets anybody issue. */
const maxIdLength = 2048;
const trustDomain = /^[a-z0-9._-]+$/;
const segment = /^[A-Za-z0-9._-]+$/;

/**
 * Whether a text is the SPIFFE ID of a workload: a lower-case scheme, a trust domain and a path, in the characters that
 * the specification allows. Port, user, query, fragment, percent-encoding and empty segments are not among them, so
 * there is one way to write an ID.
 */
export function isSpiffeId(text: string): boolean {
  if (!text.startsWith(scheme) || text.length > maxIdLength) return false;
  const [domain = "", ...path] = text.slice(scheme.length).split("/");
  if (domain.length > maxTrustDomainLength || !trustDomain.test(domain)) return false;
  // Without a path it names the whole trust domain, which only an authority's certificate may.
  return path.length > 0 && path.every((part) => segment.test(part) && part !== "." && part !== "..");
}

/**
 * The SPIFFE ID of a certificate, by the URIs among its alternative names: the only one there is, if it is valid. With
 * a second URI of any kind the certificate must not be taken for an SVID.
 */
export function spiffeIdFrom(uris: readonly string[]): string | undefined {
  const [uri] = uris;
  return uris.length === 1 && uri !== undefined && isSpiffeId(uri) ? uri : undefined;
}

/** Control and format characters, which make a name look like another one, or break a line of a log. */
const hidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\ufffd]/u;
const lookalike = /spiffe\s*(?::|%3a)/i;

/** Whether a text could be mistaken for a SPIFFE ID after trimming, decoding or Unicode folding. */
export function resemblesSpiffeId(text: string): boolean {
  return lookalike.test(text) || lookalike.test(text.normalize("NFKC"));
}

/** Whether a name can be shown, compared and written to a log as it is. */
export function isPlainName(text: string): boolean {
  return !hidden.test(text);
}
