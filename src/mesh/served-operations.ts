import { nearestName } from "../core/options.ts";
import { checkedSource, type Source } from "../core/source.ts";
import { unmatched } from "../hono/route-info.ts";
import { operationsOf, type ServedApp } from "../hono/served-app.ts";
import { type RpcDispatcher, unknownOperation } from "../rpc/server/dispatcher.ts";
import type { ServerOptions } from "../serve/server-options.ts";

/** What is served at once. */
export interface ServedParts {
  /** The app as it was given. */
  readonly app: ServedApp | undefined;
  readonly rpc: RpcDispatcher | undefined;
}

/** Names that an error message lists, at most. */
const maxListed = 12;

/**
 * The routes and the RPC methods that a mesh serves, to find names in `server: { methods }` that fit none of them: such an
 * entry would do nothing, and a limit that protects nothing must not go unnoticed.
 */
export class ServedOperations {
  /** Apps of the mesh's own, which another server may serve. */
  readonly #apps = new Set<ServedApp>();
  readonly #dispatchers = new Set<RpcDispatcher>();
  /** Whether somebody else's listener may serve an app that is not known here. */
  #elsewhere = false;
  #serving = false;

  /** Takes note of an app whose routes may be served one day. */
  addApp<A extends ServedApp>(app: A): A {
    this.#apps.add(app);
    return app;
  }

  /** Takes note of a middleware that makes an app, which nobody has shown yet, one of the mesh. */
  addMiddleware(): void {
    this.#elsewhere = true;
  }

  /**
   * Takes note of what begins to be served, and checks the options of now.
   *
   * @throws TypeError for a name that fits nothing
   */
  serve(who: string, served: ServedParts, options: ServerOptions | undefined): void {
    if (served.app !== undefined) {
      this.#apps.add(served.app);
      this.#elsewhere = false;
    }
    if (served.rpc !== undefined) this.#dispatchers.add(served.rpc);
    this.#serving = true;
    this.check(`Cannot ${who}`, options);
  }

  /** A source of options whose later values are refused where they have a name that fits nothing. */
  checked(source: Source<ServerOptions>, onRefused: (error: unknown) => void): Source<ServerOptions> {
    return checkedSource(
      source,
      (value) => {
        this.check("Cannot change the options of the server", value);
        return value;
      },
      onRefused,
    );
  }

  /** @throws TypeError for a name in `methods` that fits nothing; as long as nothing is served, each may fit something */
  check(what: string, options: ServerOptions | undefined): void {
    const given: unknown = options?.methods;
    if (!this.#serving || typeof given !== "object" || given === null) return;
    const routes = [...this.#apps].flatMap(operationsOf);
    const methods = [...this.#dispatchers].flatMap(({ methods: each }) =>
      [...each.values()].map(({ operation }) => operation),
    );
    const short = methods.map((operation) => operation.slice(operation.lastIndexOf("/") + 1));
    const known = [...new Set([...routes, ...short, ...methods])];
    for (const name of Object.keys(given)) {
      if (known.includes(name) || name === unmatched || name === unknownOperation) continue;
      if (this.#elsewhere && name.includes(" ")) continue;
      const meant = nearestName(name, known);
      const remedy =
        meant === undefined ? `there are ${listed([...routes, ...methods])}` : `did you mean "${meant}"?`;
      throw new TypeError(
        `${what}: server.methods has ${JSON.stringify(name)}, which is no route of the app and no RPC; ${remedy}`,
      );
    }
  }
}

function listed(names: readonly string[]): string {
  const own = [...new Set(names)];
  if (own.length === 0) return "none";
  const more = own.length > maxListed ? ` and ${own.length - maxListed} more` : "";
  return `${own.slice(0, maxListed).join(", ")}${more}`;
}
