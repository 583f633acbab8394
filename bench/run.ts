/**
 * `npm run bench [-- --filter text] [--json file] [--quick]`: measures every figure as a ratio within one run
 * and prints `name  ratio  target  met|short`. Never part of the tests.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { bundleFigures } from "./figures/bundle.ts";
import { policyFigures } from "./figures/policy.ts";
import { restFigures } from "./figures/rest.ts";
import { rpcFigures } from "./figures/rpc.ts";
import { judge, type Measured } from "./lib/figure.ts";

const { values } = parseArgs({
  options: {
    filter: { type: "string" },
    json: { type: "string" },
    quick: { type: "boolean", default: false },
  },
});
const effort = values.quick ? { rounds: 1, seconds: 1 } : { rounds: 3, seconds: 3 };

const figures = [
  ...restFigures(effort),
  ...rpcFigures(effort),
  ...policyFigures(effort),
  ...bundleFigures(),
].filter((figure) => values.filter === undefined || figure.name.includes(values.filter));

if (figures.length === 0) throw new Error(`Cannot measure: no figure's name contains "${values.filter}"`);

const measured: Measured[] = [];
const width = Math.max(...figures.map((figure) => figure.name.length));
let broken = 0;
for (const figure of figures) {
  try {
    const result = await judge(figure);
    measured.push(result);
    const outcome = result.met === undefined ? "" : result.met ? "met" : "short";
    const digits = result.ratio >= 100 ? 0 : 2;
    console.log(
      `${result.name.padEnd(width)}  ${result.ratio.toFixed(digits).padStart(8)}  ${result.target.padEnd(7)}  ${outcome}`,
    );
  } catch (error) {
    broken += 1;
    console.log(`${figure.name.padEnd(width)}  could not be measured: ${(error as Error).message}`);
  }
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(measured, null, 2)}\n`);
process.exit(broken === 0 ? 0 : 1);
