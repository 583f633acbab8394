import type { Random } from "../../src/core/random.ts";
import { seededRandom } from "./random.ts";

/** Chance by the throw: the same seed gives the same throws on every runtime. */
export class Dice {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** A whole number from 0 on, below `limit`. */
  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** A whole number, both ends included. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1);
  }

  /** True in so many of all throws. */
  chance(share: number): boolean {
    return this.#random() < share;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!;
  }

  /** Small numbers mostly, and a large one now and then. */
  size(limit: number): number {
    return this.below(this.chance(0.8) ? Math.min(limit, 40) : limit);
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at++) bytes[at] = this.below(256);
    return bytes;
  }

  /** Text of these characters. */
  text(length: number, characters = "abcdefghijklmnopqrstuvwxyz0123456789"): string {
    let text = "";
    for (let at = 0; at < length; at++) text += characters[this.below(characters.length)];
    return text;
  }

  /** A seed for another one. */
  seed(): number {
    return this.below(2 ** 32);
  }
}
