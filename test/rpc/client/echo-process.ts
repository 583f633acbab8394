/** A program that serves the EchoService, run by tests that need a server in a process of its own: `echo-process.ts PORT`. */
import process from "node:process";
import { createMesh } from "../../../mod.ts";
import { EchoService } from "../../gen/test/v1/echo_pb.ts";

const forever = new Promise<never>(() => {});

const server = await createMesh({ service: "echo", server: { rateLimit: false } }).serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  routes: (router) =>
    router.service(EchoService, {
      echo: ({ text }) => (text === "held" ? forever : { text }),
      async *expand({ text }) {
        yield { text };
        await forever;
      },
      async *chat(requests) {
        for await (const { text } of requests) yield { text };
      },
    }),
});
console.log(`port ${server.port}`);
