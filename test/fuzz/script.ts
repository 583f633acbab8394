import type { Socket } from "node:net";
import type { Dice } from "../support/dice.ts";
import { cut, joined } from "../support/mutate.ts";

/** What one side of a connection does, step by step. Pauses are turns of the event loop, not time. */
export interface Script {
  readonly steps: readonly (Uint8Array | { readonly turns: number } | "pause" | "resume")[];
  /** How it ends: `goodbye` says that nothing follows and waits for the other side to close. */
  readonly end: "goodbye" | "destroy" | "reset";
}

/** These pieces in packets of another size, with pauses. */
export function packets(dice: Dice, pieces: readonly Uint8Array[]): Script["steps"][number][] {
  const steps: Script["steps"][number][] = [];
  for (const piece of dice.chance(0.5) ? cut(dice, joined(pieces)) : pieces) {
    if (dice.chance(0.1)) steps.push({ turns: dice.size(100) });
    steps.push(piece);
  }
  return steps;
}

/** Sends these pieces, and ends somehow, now and then in the middle, or reads nothing for a while. */
export function scriptOf(dice: Dice, pieces: readonly Uint8Array[]): Script {
  const steps = packets(dice, pieces);
  if (dice.chance(0.2)) steps.splice(dice.below(steps.length + 1));
  else if (dice.chance(0.8)) steps.push({ turns: dice.size(200) });
  if (dice.chance(0.2)) {
    const at = dice.below(steps.length + 1);
    steps.splice(at, 0, "pause");
    steps.splice(dice.between(at, steps.length), 0, "resume");
  }
  return { steps, end: dice.pick(["goodbye", "destroy", "reset"]) };
}

/** Lets the event loop turn. */
export async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
}

/** Plays a script on a connected socket, to its end. */
export async function play(
  socket: Socket,
  { steps, end }: Script,
  beforeEnd?: () => Promise<void>,
): Promise<void> {
  for (const step of steps) {
    if (socket.destroyed) return;
    if (step === "pause") socket.pause();
    else if (step === "resume") socket.resume();
    else if (step instanceof Uint8Array) socket.write(step);
    else await turns(step.turns);
  }
  await beforeEnd?.();
  if (end === "destroy") socket.destroy();
  else if (end === "reset") socket.resetAndDestroy();
  else {
    socket.resume();
    socket.end();
  }
}

/** Whether the other side closes a connection within so much time. */
export async function closes(socket: Socket, ms: number): Promise<boolean> {
  if (socket.destroyed) return true;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const closed = await new Promise<boolean>((resolve) => {
    socket.once("close", () => resolve(true));
    timer = setTimeout(() => resolve(socket.destroyed), ms);
  });
  clearTimeout(timer);
  return closed;
}
