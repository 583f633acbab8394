import { MeshError } from "../core/errors.ts";
import type { Server } from "./options.ts";

/** The servers of a mesh. Each has a life of its own; the mesh ends with all of them. */
export class Servers {
  readonly #open = new Set<Promise<Server>>();
  #closed = false;

  /** @throws MeshError `ERR_SHUTTING_DOWN` once they were closed */
  async start(start: () => Promise<Server>): Promise<Server> {
    if (this.#closed) {
      throw new MeshError("ERR_SHUTTING_DOWN", "Cannot serve: the mesh is closed; make another one");
    }
    const starting = start();
    this.#open.add(starting);
    const leave = (): void => {
      this.#open.delete(starting);
    };
    starting.then(({ closed }) => closed).then(leave, leave);
    return starting;
  }

  /** Resolves when none is open. */
  async ended(): Promise<void> {
    while (this.#open.size > 0) {
      await Promise.allSettled([...this.#open].map(async (starting) => (await starting).closed));
    }
  }

  /** Closes all of them, and one that is about to open; no other one is started. Undefined when there is none. */
  close(how: { readonly force?: boolean } | undefined): Promise<unknown> | undefined {
    this.#closed = true;
    if (this.#open.size === 0) return undefined;
    return Promise.allSettled([...this.#open].map(async (starting) => (await starting).close(how)));
  }
}
