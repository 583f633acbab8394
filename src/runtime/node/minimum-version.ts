import { MeshError } from "../../core/errors.ts";

/** As in `engines` of the package. */
const minimum = { major: 22, minor: 19 };

/**
 * Refuses a Node that is too old, where what the library builds on fails with errors that name neither the cause nor the
 * remedy.
 *
 * @throws MeshError `ERR_CAPABILITY` when the version is below the minimum
 */
export function checkNodeVersion(version: string): void {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  if (major > minimum.major || (major === minimum.major && minor >= minimum.minor)) return;
  throw new MeshError(
    "ERR_CAPABILITY",
    `Cannot run @datapunk/mesh on Node ${version}: it needs Node ${minimum.major}.${minimum.minor} or newer; install one, or use Deno or Bun`,
  );
}
