const certificateBlock = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * The certificates in a PEM text, each by itself: what stands between them, or does not (files that were joined without a line
 * break), is no matter.
 */
export function certificatesIn(pem: string): readonly string[] {
  return pem.match(certificateBlock) ?? [];
}
