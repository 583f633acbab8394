import { MeshError } from "../../core/errors.ts";

/** Where somebody wanted to listen. */
interface Address {
  readonly hostname: string;
  readonly port: number;
}

/** What a system's code means here, and what to do about it. */
function reasonOf(
  code: string | undefined,
  { hostname, port }: Address,
): readonly [cause: string, remedy: string] | undefined {
  switch (code) {
    case "EADDRINUSE":
      return ["it is in use", "end what listens there, or pass another port; 0 takes a free one"];
    case "EACCES":
    case "EPERM":
      return port > 0 && port < 1024
        ? [
            "this process may not open ports below 1024",
            "pass a higher one, or grant it the right, on Linux CAP_NET_BIND_SERVICE",
          ]
        : ["this process may not open it", "pass another port, or grant it the right"];
    case "EADDRNOTAVAIL":
    // Deno's word for the same.
    case "EINVAL":
      return [`this machine has no address ${hostname}`, 'pass one that it has, or "0.0.0.0" for all'];
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "EAI_NONAME":
      return [
        "the name cannot be resolved",
        'pass an address of this machine as hostname, or "0.0.0.0" for all',
      ];
    case "EMFILE":
    case "ENFILE":
      return ["too many files and sockets are open", "raise the limit (ulimit -n), or close some"];
    default:
      return undefined;
  }
}

/** The error of a port that cannot be opened: it names the address, the cause and the remedy on every runtime alike. */
export function listenError(address: Address, cause: unknown): MeshError {
  const { code, message } = cause as Partial<NodeJS.ErrnoException>;
  const { hostname, port } = address;
  // Bun gives no code for a name that it cannot resolve.
  const [what, remedy] = reasonOf(code, address) ?? [
    message ?? String(cause),
    "check hostname and port, and that this process may listen there",
  ];
  const where = `port ${port} of ${hostname === "" ? "all addresses" : hostname}`;
  const why = code === undefined ? what : `${what} (${code})`;
  return new MeshError("ERR_LISTEN", `Cannot serve on ${where}: ${why}; ${remedy}`, { cause });
}
