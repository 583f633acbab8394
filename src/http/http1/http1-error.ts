/** What a peer sent is no HTTP/1.1 that this side takes; `status` is what a server responds with. */
export class Http1Error extends Error {
  override readonly name = "Http1Error";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
