import { notFieldText } from "./headers.ts";

/** Header fields, whatever holds them. */
interface HeaderFields {
  forEach(callback: (value: string, name: string) => void): void;
}

/**
 * Refuses header fields that no response can carry, before anything is sent that would have to be taken back. Some
 * platforms send them all the same, and one ends the process over them.
 *
 * @throws TypeError
 */
export function checkSendable(headers: HeaderFields): void {
  headers.forEach((value, name) => {
    if (typeof value === "string" && !notFieldText.test(value)) return;
    throw new TypeError(
      `Cannot send the header ${JSON.stringify(name)}: its value has a character that no header may have, encode it`,
    );
  });
}
