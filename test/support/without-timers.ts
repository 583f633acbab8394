const names = ["setTimeout", "setInterval", "setImmediate"] as const;

/** Runs a test in which whatever arms a timer of the platform fails, and which fails when something tried. */
export async function withoutTimers(test: () => Promise<void>): Promise<void> {
  const before = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));
  const armed: string[] = [];
  for (const name of names) {
    const value = (): never => {
      armed.push(name);
      throw new Error(`${name} was called, past the clock`);
    };
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  try {
    await test();
  } finally {
    for (const [at, name] of names.entries()) {
      const descriptor = before[at];
      if (descriptor === undefined) Reflect.deleteProperty(globalThis, name);
      else Object.defineProperty(globalThis, name, descriptor);
    }
  }
  if (armed.length > 0) throw new Error(`The platform's own timers were armed: ${armed.join(", ")}`);
}
