// Runs a script of this folder on the WebAssembly build: node webassembly.mjs <module> <script> <core> [arguments].
import { readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";

const [module, script, core, ...rest] = process.argv.slice(2);
const { loadMicroPython } = await import(pathToFileURL(module).href);
let said = "";
const mp = await loadMicroPython({ heapsize: 1 << 20, linebuffer: true, stdout: (line) => (said += line + "\n") });
mp.FS.mkdir("/at");
mp.FS.mkdir("/at/core");
for (const name of readdirSync(core).filter((n) => n.endsWith(".py"))) {
  mp.FS.writeFile(join("/at/core", name), readFileSync(join(core, name)));
}
mp.FS.writeFile("/script.py", readFileSync(script));
mp.runPython(`import sys\nsys.argv[:] = ${JSON.stringify([basename(script), "/at", ...rest])}\nexec(open("/script.py").read())`);
process.stdout.write(said);
