// Compiles the contracts beside this file into one JSON each. Run: node tests/data/contracts/compile.mjs
// (needs `npm install --no-save solc@0.8.37`; what imports from oz5 takes it from node_modules).
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const solc = createRequire(join(process.cwd(), "x.js"))("solc");
const here = dirname(fileURLToPath(import.meta.url));
for (const name of readdirSync(here).filter((name) => name.endsWith(".sol"))) {
  const content = readFileSync(join(here, name), "utf8");
  const input = {
    language: "Solidity",
    sources: { [name]: { content } },
    settings: {
      optimizer: { enabled: true, runs: 200 },
      evmVersion: content.includes('from "oz5/') ? "cancun" : "paris",
      metadata: { bytecodeHash: "none", appendCBOR: false },
      outputSelection: { "*": { "*": ["evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const imported = (path) => ({ contents: readFileSync(join(process.cwd(), "node_modules", path), "utf8") });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: imported }));
  for (const error of output.errors ?? []) console.error(error.formattedMessage);
  for (const [contract, { evm }] of Object.entries(output.contracts?.[name] ?? {})) {
    const built = { bytecode: "0x" + evm.bytecode.object, deployedBytecode: "0x" + evm.deployedBytecode.object };
    writeFileSync(join(here, `${contract}.json`), JSON.stringify(built, null, 1) + "\n");
  }
}
