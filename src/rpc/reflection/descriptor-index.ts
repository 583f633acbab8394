import type { DescEnum, DescExtension, DescFile, DescMessage, DescService } from "@bufbuild/protobuf";
import { toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** Finds the files of a set of services, with all that they import, by what they declare. */
export class DescriptorIndex {
  readonly #files = new Map<string, DescFile>();
  readonly #symbols = new Map<string, DescFile>();
  readonly #messages = new Set<string>();
  /** By the extended message, then by number. */
  readonly #extensions = new Map<string, Map<number, DescFile>>();
  readonly #encoded = new Map<string, Uint8Array>();

  constructor(services: Iterable<DescService>) {
    for (const service of services) this.#addFile(service.file);
  }

  /** The file of this name, as an import writes it. */
  file(name: string): DescFile | undefined {
    return this.#files.get(name);
  }

  /** The file that declares a symbol; a leading dot is allowed, as protobuf writes full names. */
  fileOf(symbol: string): DescFile | undefined {
    return this.#symbols.get(symbol.startsWith(".") ? symbol.slice(1) : symbol);
  }

  /** The file that declares an extension. */
  fileOfExtension(extendee: string, number: number): DescFile | undefined {
    return this.#extensions.get(extendee)?.get(number);
  }

  /** The numbers of a message's extensions, in order; undefined when there is no such message. */
  extensionNumbers(extendee: string): readonly number[] | undefined {
    const numbers = this.#extensions.get(extendee);
    if (numbers !== undefined) return [...numbers.keys()].sort((a, b) => a - b);
    return this.#messages.has(extendee) ? [] : undefined;
  }

  /** A file and everything that it imports, itself first, each once. */
  closureOf(file: DescFile): readonly DescFile[] {
    const closure = new Map([[file.proto.name, file]]);
    // A map hands out what is added while it is read.
    for (const each of closure.values()) {
      for (const dependency of each.dependencies) {
        if (!closure.has(dependency.proto.name)) closure.set(dependency.proto.name, dependency);
      }
    }
    return [...closure.values()];
  }

  /** The serialized `FileDescriptorProto`. */
  encode(file: DescFile): Uint8Array {
    const { name } = file.proto;
    let bytes = this.#encoded.get(name);
    if (bytes === undefined) {
      bytes = toBinary(FileDescriptorProtoSchema, file.proto);
      this.#encoded.set(name, bytes);
    }
    return bytes;
  }

  #addFile(file: DescFile): void {
    if (this.#files.has(file.proto.name)) return;
    this.#files.set(file.proto.name, file);
    for (const dependency of file.dependencies) this.#addFile(dependency);
    for (const message of file.messages) this.#addMessage(message, file);
    for (const each of file.enums) this.#addEnum(each, file);
    for (const extension of file.extensions) this.#addExtension(extension, file);
    for (const service of file.services) {
      this.#symbols.set(service.typeName, file);
      for (const { name } of service.methods) this.#symbols.set(`${service.typeName}.${name}`, file);
    }
  }

  #addMessage(message: DescMessage, file: DescFile): void {
    const { typeName } = message;
    this.#symbols.set(typeName, file);
    this.#messages.add(typeName);
    for (const { name } of [...message.fields, ...message.oneofs]) {
      this.#symbols.set(`${typeName}.${name}`, file);
    }
    for (const nested of message.nestedMessages) this.#addMessage(nested, file);
    for (const nested of message.nestedEnums) this.#addEnum(nested, file);
    for (const nested of message.nestedExtensions) this.#addExtension(nested, file);
  }

  /** The values of an enum are named like its siblings. */
  #addEnum(each: DescEnum, file: DescFile): void {
    this.#symbols.set(each.typeName, file);
    const scope = each.parent?.typeName ?? file.proto.package;
    for (const { name } of each.values) this.#symbols.set(scope === "" ? name : `${scope}.${name}`, file);
  }

  #addExtension(extension: DescExtension, file: DescFile): void {
    this.#symbols.set(extension.typeName, file);
    const extendee = extension.extendee.typeName;
    let numbers = this.#extensions.get(extendee);
    if (numbers === undefined) {
      numbers = new Map();
      this.#extensions.set(extendee, numbers);
    }
    numbers.set(extension.number, file);
  }
}
