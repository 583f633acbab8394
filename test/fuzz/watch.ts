import process from "node:process";

type Told = { readonly reason?: unknown; readonly error?: unknown; preventDefault(): void };

/** Writes down errors that nobody handled, which would end the process. */
export class ErrorWatch {
  readonly seen: unknown[] = [];
  readonly #note = (error: unknown): void => {
    this.seen.push(error);
  };
  readonly #told = (event: Event): void => {
    const { reason, error } = event as unknown as Told;
    event.preventDefault();
    this.seen.push(reason ?? error);
  };

  start(): void {
    if ("Deno" in globalThis) {
      addEventListener("unhandledrejection", this.#told);
      addEventListener("error", this.#told);
      return;
    }
    process.on("unhandledRejection", this.#note);
    process.on("uncaughtException", this.#note);
  }

  stop(): void {
    if ("Deno" in globalThis) {
      removeEventListener("unhandledrejection", this.#told);
      removeEventListener("error", this.#told);
      return;
    }
    process.off("unhandledRejection", this.#note);
    process.off("uncaughtException", this.#note);
  }
}
