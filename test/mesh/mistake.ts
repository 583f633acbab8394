import assert from "node:assert/strict";
import { it } from "node:test";
import { createMesh } from "../../src/mesh/mesh.ts";

/** A mistake: what is done, and all that the error says. */
export type Mistake = readonly [what: string, run: () => unknown, message: string];

/** Options as code without types, or a file, may hold them. */
export function mesh(options: Record<string, unknown> = {}): ReturnType<typeof createMesh> {
  return createMesh({ service: "shop", ...options } as never);
}

/** Each of them fails at once, or rejects, with these very words. */
export function refuseMistakes(
  mistakes: readonly Mistake[],
  options: { readonly skip?: string | false } = {},
): void {
  for (const [what, run, message] of mistakes) {
    it(`is refused where it is made: ${what}`, options, async () => {
      await assert.rejects(
        async () => run(),
        (error: Error) => {
          assert.equal(error.message, message);
          return error instanceof TypeError || error instanceof RangeError;
        },
      );
    });
  }
}
