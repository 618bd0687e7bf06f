// Compiles the contracts beside this file into one JSON each. Run: node tests/data/contracts/compile.mjs
// (needs `npm install --no-save solc@0.8.37`).
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const solc = createRequire(join(process.cwd(), "x.js"))("solc");
const here = dirname(fileURLToPath(import.meta.url));
const names = readdirSync(here).filter((name) => name.endsWith(".sol"));
const input = {
  language: "Solidity",
  sources: Object.fromEntries(names.map((name) => [name, { content: readFileSync(join(here, name), "utf8") }])),
  settings: {
    optimizer: { enabled: true, runs: 200 },
    evmVersion: "paris",
    metadata: { bytecodeHash: "none", appendCBOR: false },
    outputSelection: { "*": { "*": ["evm.bytecode.object", "evm.deployedBytecode.object"] } },
  },
};
const output = JSON.parse(solc.compile(JSON.stringify(input)));
for (const error of output.errors ?? []) console.error(error.formattedMessage);
for (const contracts of Object.values(output.contracts ?? {})) {
  for (const [name, { evm }] of Object.entries(contracts)) {
    const built = { bytecode: "0x" + evm.bytecode.object, deployedBytecode: "0x" + evm.deployedBytecode.object };
    writeFileSync(join(here, `${name}.json`), JSON.stringify(built, null, 1) + "\n");
  }
}
