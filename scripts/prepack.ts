/** Keeps the sources from being packed: Node strips no types inside node_modules, so nobody could import them. */
import process from "node:process";

console.error("Cannot pack the sources: run npm run build, and then npm pack ./dist or npm publish ./dist");
process.exitCode = 1;
