import type { Clock } from "../../core/clock.ts";
import type { TlsReason, TransportFault } from "../../core/errors.ts";
import type { TlsOptions } from "../../core/identity.ts";
import { nodeTls } from "../platform/builtin.ts";
import { chainRefusal, type TlsTarget } from "./client-failure.ts";
import { clientTls, serverNameOf } from "./client-tls.ts";
import { identityKey, serverCheck } from "./server-check.ts";
import { otherScheme, PeerRefusal, tlsErrorIn, tlsReasonOfOne } from "./tls-failure.ts";

/** Looking again takes no longer. */
const lookMs = 1_000;
/** What was seen is believed for so long: a server that is refused again and again is looked at once. */
const believedMs = 10_000;
/** A server of TLS 1.3 tells what it thinks of the client's certificate after the handshake, and at once. */
const alertMs = 200;
const maxSeen = 256;

/** Reasons of which the platform says less than the certificate does. */
const vague: ReadonlySet<TlsReason> = new Set([
  "expired",
  "not-yet-valid",
  "unknown-authority",
  "revoked",
  "bad-certificate",
  "wrong-name",
  "handshake",
]);

interface Seen {
  readonly until: number;
  readonly error: Promise<Error | undefined>;
}

const noTls: TlsOptions = {};
const seen = new WeakMap<TlsOptions, Map<string, Seen>>();

/**
 * Whether a look at the server's certificate would say more than the error: the platforms keep it to themselves when they
 * refuse it, and with it names and dates.
 */
export function isVague(error: unknown): boolean {
  const found = tlsErrorIn(error);
  return found !== undefined && vague.has(found.reason) && !(found.error instanceof PeerRefusal);
}

/**
 * Whether a connection that ended without a response may have met a server that wants TLS, or a certificate: many such servers
 * close without a word, or with one that the platform keeps to itself, and then only a handshake tells.
 */
export function mayWantTls({ origin, tls }: TlsTarget, fault: TransportFault | undefined): boolean {
  if (fault !== "closed" && fault !== "reset") return false;
  return origin.startsWith("http:") || tls?.cert === undefined;
}

/**
 * Connects once more, only to read the server's certificate and to find out what is wrong with it; nothing is sent. Resolves
 * with the better error, or with the one that was given; never rejects.
 */
export async function explain(error: unknown, target: TlsTarget, clock: Clock): Promise<unknown> {
  const { tls = noTls } = target;
  const known = seen.get(tls) ?? new Map<string, Seen>();
  seen.set(tls, known);
  const key = `${target.origin} ${identityKey(target.server)}`;
  let look = known.get(key);
  if (look === undefined || look.until <= clock.now()) {
    const [oldest] = known.keys();
    if (known.size >= maxSeen && oldest !== undefined) known.delete(oldest);
    look = { until: clock.now() + believedMs, error: lookAt(target, clock).catch(() => undefined) };
    known.set(key, look);
  }
  return (await look.error) ?? error;
}

function tlsRequiredThere(origin: string): PeerRefusal {
  return new PeerRefusal("tls-required", `this port expects TLS; use ${otherScheme(origin)}`);
}

function lookAt(target: TlsTarget, clock: Clock): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const url = new URL(target.origin);
    const isCleartext = url.protocol === "http:";
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const socket = nodeTls().connect({
      host,
      port: url.port === "" ? (isCleartext ? 80 : 443) : Number(url.port),
      ALPNProtocols: ["h2", "http/1.1"],
      ...serverNameOf(host),
      ...clientTls(target.tls, target.server),
      // Nothing is sent, and nothing believed: it is there to be looked at.
      rejectUnauthorized: false,
    });
    const stops: (() => void)[] = [];
    const end = (error?: Error): void => {
      for (const stop of stops) stop();
      socket.destroy();
      resolve(error);
    };
    stops.push(clock.schedule(end, lookMs));
    socket.on("error", (error) => {
      const found = tlsErrorIn(error);
      // One that speaks HTTP alone makes no TLS of a handshake.
      if (!isCleartext) end(found?.error);
      else
        end(
          found === undefined || found.reason === "plaintext" ? undefined : tlsRequiredThere(target.origin),
        );
    });
    socket.once("close", () => end());
    socket.once("secureConnect", () => {
      if (isCleartext) {
        end(tlsRequiredThere(target.origin));
        return;
      }
      const certificate = socket.getPeerCertificate();
      const { authorized, authorizationError } = socket;
      if (authorized) {
        stops.push(clock.schedule(end, alertMs));
        return;
      }
      const code = String((authorizationError as { code?: unknown } | null)?.code ?? authorizationError);
      const reason = tlsReasonOfOne(Object.assign(new Error(code), { code }));
      try {
        const host = target.server?.serverName ?? url.hostname;
        end(
          reason === undefined || reason === "wrong-name"
            ? serverCheck(target.server)(host, certificate)
            : chainRefusal(reason, new Uint8Array(certificate.raw)),
        );
      } catch {
        end();
      }
    });
  });
}
