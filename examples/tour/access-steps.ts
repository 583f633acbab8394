import { request } from "node:https";
import { createMesh, isHttpError, staticResolver, type TlsIdentity } from "@datapunk/mesh";
import { createDevAuthority } from "../dev-ca.ts";
import { table } from "./account.ts";
import { check, type Step, type Tour } from "./tour.ts";

/** Knocks without the right to come in. */
export const denied: Step = {
  title: "Try to get in without being allowed",
  async run(tour) {
    const stranger = await createDevAuthority();
    const rows = [
      ["gateway", "no token", await withToken(tour, undefined)],
      ["gateway", "a wrong token", await withToken(tour, "guessed")],
      ["lake", "no certificate", await handshake(tour, { ca: tour.authority.ca })],
      [
        "lake",
        "another CA's certificate",
        await handshake(tour, { ...(await stranger.issue("gateway")), ca: tour.authority.ca }),
      ],
      ["lake", "the Stream's certificate", await asService(tour, await tour.authority.issue("stream"))],
    ];
    tour.note(table([{ title: "" }, { title: "" }, { title: "" }], rows));
  },
};

async function withToken(tour: Tour, token: string | undefined): Promise<string> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${tour.gateway}/api/datasets`, { headers });
  const type = response.headers.get("content-type");
  check(response.status === 401, "status 401", response.status);
  check(type?.startsWith("application/problem+json") === true, "problem+json", type);
  const problem = (await response.json()) as { status: number; code: string };
  return `401 ${type}, code ${problem.code}`;
}

/** The handshake must fail: a response of any kind would mean that the request got in. */
async function handshake(tour: Tour, identity: Partial<TlsIdentity>): Promise<string> {
  const refused = await new Promise<string | undefined>((resolve) => {
    const sentRequest = request(
      `${tour.lake}/datasets`,
      { ...identity, agent: false, timeout: 5_000 },
      (response) => {
        response.resume();
        resolve(undefined);
      },
    );
    sentRequest.on("timeout", () => sentRequest.destroy(new Error("timed out")));
    sentRequest.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    sentRequest.end();
  });
  check(refused !== undefined, "the handshake to be refused", "a response");
  check(refused !== "ECONNREFUSED" && refused !== "timed out", "a refused handshake", refused);
  return `refused during the handshake (${refused})`;
}

/** A good certificate of a service that has no business here. */
async function asService(tour: Tour, tls: TlsIdentity): Promise<string> {
  const mesh = createMesh({ service: "stream", tls, resolver: staticResolver({ lake: [tour.lake] }) });
  try {
    const status = await mesh
      .rest("lake")
      .get("datasets")
      .then(
        () => 200,
        (error) => (isHttpError(error) ? error.status : error),
      );
    check(status === 403, "status 403", status);
    return "403: a known service, but not one that may";
  } finally {
    await mesh.close();
  }
}
