/** Loads something when it is first asked for. */
export function lazily<T>(load: () => T): () => T {
  let loaded: T | undefined;
  return () => {
    loaded ??= load();
    return loaded;
  };
}

// Not imported: of an imported module Node evaluates every getter, which loads WebCrypto and more, and a program that does not
// use TLS or compression would wait for them all the same.

/** `node:crypto`, loaded when it is first used. */
export const nodeCrypto: () => typeof import("node:crypto") = lazily(() =>
  process.getBuiltinModule("node:crypto"),
);
/** `node:net`, loaded when it is first used. */
export const nodeNet: () => typeof import("node:net") = lazily(() => process.getBuiltinModule("node:net"));
/** `node:tls`, loaded when it is first used. */
export const nodeTls: () => typeof import("node:tls") = lazily(() => process.getBuiltinModule("node:tls"));
/** `node:zlib`, loaded when it is first used. */
export const nodeZlib: () => typeof import("node:zlib") = lazily(() => process.getBuiltinModule("node:zlib"));
