// Loads a module of `src/` in Node.
import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const src = new URL("../src/", import.meta.url);

export async function load(path) {
  const built = await build({
    entryPoints: [fileURLToPath(new URL(path, src))], bundle: true, write: false, format: "esm",
    platform: "node", logLevel: "error",
  });
  const text = Buffer.from(built.outputFiles[0].contents).toString("base64");
  return import(`data:text/javascript;base64,${text}`);
}
