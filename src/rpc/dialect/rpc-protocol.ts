/** The protocols that an RPC can travel by. */
export type RpcProtocol = "grpc" | "grpc-web" | "connect";
