/** What the checks read of an entry of package-lock.json. */
export interface LockfileEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly license?: string;
  readonly optional?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** What the checks read of package-lock.json. */
export interface Lockfile {
  readonly packages: Record<string, LockfileEntry>;
}

/** An optional dependency that the lockfile does not know. */
export interface MissingOptional {
  readonly name: string;
  readonly version: string;
  /** The entry that asks for it. */
  readonly of: string;
}

/** The optional dependencies without an entry, for which `npm ci` would refuse the lockfile. */
export function missingOptionals({ packages }: Lockfile): MissingOptional[] {
  return Object.entries(packages).flatMap(([of, { optionalDependencies = {} }]) =>
    Object.entries(optionalDependencies)
      .filter(([name]) => !packages[`node_modules/${name}`] && !packages[`${of}/node_modules/${name}`])
      .map(([name, version]) => ({ name, version, of })),
  );
}
