import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { ConnectRouter, ConnectRouterOptions, MethodImpl, ServiceImpl } from "@connectrpc/connect";

/**
 * Connect's own router, whose services and methods may also leave protocols out (`{ grpc: false }`): Connect's router
 * takes those options, and does not say so.
 */
export interface RpcRouter extends ConnectRouter {
  service<T extends DescService>(
    service: T,
    implementation: Partial<ServiceImpl<T>>,
    options?: Partial<ConnectRouterOptions>,
  ): this;
  rpc<M extends DescMethod>(method: M, impl: MethodImpl<M>, options?: Partial<ConnectRouterOptions>): this;
}
