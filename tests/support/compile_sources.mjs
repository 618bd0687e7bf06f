// Compiles contracts of an npm package that carries sources only: node compile_sources.mjs FILE CONTRACT FILE CONTRACT …
// Writes {contract: {abi, bytecode, deployedBytecode}} to stdout; run in the checkout, where node_modules is.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const solc = createRequire(join(process.cwd(), "x.js"))("solc");
const wanted = process.argv.slice(2);
const files = wanted.filter((_, place) => place % 2 === 0);
const read = (path) =>
  readFileSync(join("node_modules", path.replace("@openzeppelin/contracts/", "oz5/")), "utf8");
const output = JSON.parse(
  solc.compile(
    JSON.stringify({
      language: "Solidity",
      sources: Object.fromEntries(files.map((file) => [file, { content: read(file) }])),
      settings: {
        optimizer: { enabled: true, runs: 200 },
        evmVersion: "cancun",
        outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
      },
    }),
    { import: (path) => ({ contents: read(path) }) },
  ),
);
const wrong = (output.errors ?? []).filter((error) => error.severity === "error");
if (wrong.length) throw new Error(wrong.map((error) => error.formattedMessage).join("\n"));
const found = {};
for (let place = 0; place < wanted.length; place += 2) {
  const { abi, evm } = output.contracts[wanted[place]][wanted[place + 1]];
  found[wanted[place + 1]] = { abi, bytecode: evm.bytecode.object, deployedBytecode: evm.deployedBytecode.object };
}
process.stdout.write(JSON.stringify(found));
