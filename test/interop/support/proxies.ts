import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "./proxy-process.ts";

/** How a proxy is reached, and how it reaches the server. */
export interface ProxyRoute {
  readonly name: string;
  readonly port: number;
  /** Who can come through: see `ProxiedTarget`. */
  readonly callers: readonly string[];
}

/** Writes a file of configuration into a folder, and gives its path. */
function written(folder: string, name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** What a proxy is started with, and the ways through it. */
export interface ProxyConfiguration {
  /** The arguments of the program. */
  readonly args: readonly string[];
  readonly routes: readonly ProxyRoute[];
}

const overHttp1 = ["rest", "connect/1.1", "grpc-web/1.1"];
const overHttp2 = ["grpc/2", "grpc-web/2", "connect/2"];
/** gRPC needs HTTP/2 all the way, and so does whatever goes in both directions. */
const downgraded = ["grpc-web/2/one-way", "connect/2/one-way"];

/** nginx: HTTP/1.1 through `proxy_pass` with and without buffering, HTTP/2 to HTTP/1.1, and `grpc_pass`. */
export async function nginx(folder: string, upstream: number): Promise<ProxyConfiguration> {
  const [plain = 0, buffered = 0, down = 0, grpc = 0] = await freePorts(4);
  const pass = `proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection "";`;
  const bare = "proxy_buffering off; proxy_request_buffering off;";
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(" ");
  const config = written(
    folder,
    "nginx.conf",
    `daemon off; master_process off; pid ${folder}/nginx.pid; error_log ${folder}/error.log;
events { worker_connections 512; }
http {
  access_log off; ${temp} client_max_body_size 0; keepalive_requests 100000; default_type application/octet-stream;
  upstream up { server 127.0.0.1:${upstream}; keepalive 16; }
  # A pool of its own: nginx mixes up the connections of the two versions in one.
  upstream grpc_up { server 127.0.0.1:${upstream}; keepalive 16; }
  server { listen 127.0.0.1:${plain}; location / { ${pass} ${bare} } }
  server { listen 127.0.0.1:${buffered}; location / { ${pass} } }
  server { listen 127.0.0.1:${down} http2; location / { ${pass} ${bare} } }
  server { listen 127.0.0.1:${grpc} http2; location / { grpc_pass grpc://grpc_up; } }
}
`,
  );
  return {
    args: ["-c", config, "-p", folder, "-e", `${folder}/error.log`],
    routes: [
      { name: "HTTP/1.1 to HTTP/1.1", port: plain, callers: overHttp1 },
      { name: "HTTP/1.1 to HTTP/1.1, buffered", port: buffered, callers: overHttp1 },
      { name: "HTTP/2 to HTTP/1.1", port: down, callers: downgraded },
      { name: "HTTP/2 to HTTP/2 (grpc_pass)", port: grpc, callers: overHttp2 },
    ],
  };
}

/** haproxy: every way between the two versions. */
export async function haproxy(folder: string, upstream: number): Promise<ProxyConfiguration> {
  const [plain = 0, h2 = 0, up = 0, down = 0] = await freePorts(4);
  const pair = (name: string, port: number, bind: string, server: string): string => `
listen ${name}
  bind 127.0.0.1:${port} ${bind}
  server one 127.0.0.1:${upstream} ${server}
`;
  const config = written(
    folder,
    "haproxy.cfg",
    `global
  maxconn 500
defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 30s
  timeout server 30s
${pair("plain", plain, "", "")}${pair("h2", h2, "proto h2", "proto h2")}${pair("up", up, "", "proto h2")}${pair("down", down, "proto h2", "")}`,
  );
  return {
    args: ["-db", "-f", config],
    routes: [
      { name: "HTTP/1.1 to HTTP/1.1", port: plain, callers: overHttp1 },
      { name: "HTTP/2 to HTTP/2", port: h2, callers: overHttp2 },
      { name: "HTTP/1.1 to HTTP/2", port: up, callers: overHttp1 },
      { name: "HTTP/2 to HTTP/1.1", port: down, callers: downgraded },
    ],
  };
}

/** Envoy: every way between the two versions, on listeners that take both. */
export async function envoy(folder: string, upstream: number): Promise<ProxyConfiguration> {
  const [toHttp1 = 0, toHttp2 = 0] = await freePorts(2);
  const typed = (name: string, value: object): object => ({
    "@type": `type.googleapis.com/envoy.extensions.${name}`,
    ...value,
  });
  const address = (port: number): object => ({ socket_address: { address: "127.0.0.1", port_value: port } });
  const listener = (name: string, port: number, cluster: string): object => {
    const router = {
      name: "envoy.filters.http.router",
      typed_config: typed("filters.http.router.v3.Router", {}),
    };
    const routes = [{ match: { prefix: "/" }, route: { cluster, timeout: "0s" } }];
    const manager = typed("filters.network.http_connection_manager.v3.HttpConnectionManager", {
      stat_prefix: name,
      codec_type: "AUTO",
      route_config: { virtual_hosts: [{ name, domains: ["*"], routes }] },
      http_filters: [router],
    });
    const filter = { name: "envoy.filters.network.http_connection_manager", typed_config: manager };
    return { name, address: address(port), filter_chains: [{ filters: [filter] }] };
  };
  const cluster = (name: string, protocol: string): object => ({
    name,
    connect_timeout: "5s",
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(upstream) } }] }],
    },
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": typed(
        "upstreams.http.v3.HttpProtocolOptions",
        { explicit_http_config: { [protocol]: {} } },
      ),
    },
  });
  const config = written(
    folder,
    "envoy.json",
    JSON.stringify({
      static_resources: {
        listeners: [listener("one", toHttp1, "http1"), listener("two", toHttp2, "http2")],
        clusters: [cluster("http1", "http_protocol_options"), cluster("http2", "http2_protocol_options")],
      },
    }),
  );
  const both = [...overHttp1, ...overHttp2];
  return {
    args: ["-c", config, "--disable-hot-restart", "--concurrency", "1", "--log-level", "error"],
    routes: [
      { name: "either to HTTP/1.1", port: toHttp1, callers: [...overHttp1, ...downgraded] },
      { name: "either to HTTP/2", port: toHttp2, callers: both },
    ],
  };
}
