// Builds the page into `crates/stepwright-viewer/dist`, and writes the table of its files. The
// digest of the sources goes along, so that a test without Node can tell whether they are current.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";

const web = dirname(fileURLToPath(import.meta.url));
const crate = join(web, "../crates/stepwright-viewer");
const RAW_MAX = 300_000;
const COMPRESSED_MAX = 90_000;

function walk(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? walk(path) : [path];
  });
}

/** The digest of everything that the built files are made of. */
function digestOfSources() {
  const more = ["build.mjs", "package.json", "package-lock.json", "tsconfig.json"];
  const paths = [...walk(join(web, "src")), ...more.map((name) => join(web, name))];
  const named = paths.map((path) => [relative(web, path).replaceAll("\\", "/"), path]);
  named.sort(([a], [b]) => (a < b ? -1 : 1));
  const hash = createHash("sha256");
  for (const [name, path] of named) {
    const bytes = readFileSync(path);
    hash.update(`${name} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest("hex");
}

const options = {
  bundle: true, minify: true, write: false, target: ["es2023"], legalComments: "none",
  jsx: "automatic", jsxImportSource: "preact", charset: "utf8", logLevel: "warning",
};
const bundle = async (entry, format) => {
  const built = await build({ ...options, entryPoints: [join(web, "src", entry)], format });
  return Buffer.from(built.outputFiles[0].contents);
};
const script = await bundle("main.tsx", "iife");
const styles = await bundle("styles/main.css", undefined);
const icon = readFileSync(join(web, "src/icon.svg"));
const named = (stem, extension, bytes) =>
  `assets/${stem}-${createHash("sha256").update(bytes).digest("hex").slice(0, 12)}.${extension}`;
const files = {
  [named("main", "js", script)]: script,
  [named("main", "css", styles)]: styles,
  [named("icon", "svg", icon)]: icon,
};
const [js, css, svg] = Object.keys(files);
const page = readFileSync(join(web, "src/index.html"), "utf8")
  .replace("{{script}}", js).replace("{{styles}}", css).replace("{{icon}}", svg);
files["index.html"] = Buffer.from(page);

rmSync(join(crate, "dist"), { recursive: true, force: true });
mkdirSync(join(crate, "dist/assets"), { recursive: true });
for (const [name, bytes] of Object.entries(files)) writeFileSync(join(crate, "dist", name), bytes);

const TYPES = { js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8",
  svg: "image/svg+xml", html: "text/html; charset=utf-8" };
const names = Object.keys(files).sort();
const rows = names.map((name) => `    (
        "${name}",
        File {
            bytes: include_bytes!("../dist/${name}"),
            content_type: "${TYPES[name.split(".").pop()]}",
            cache_control: ${name === "index.html" ? "NO_CACHE" : "IMMUTABLE"},
        },
    ),`);
writeFileSync(join(crate, "src/table.rs"), `//! The built files. Written by \`web/build.mjs\`.

use crate::{File, IMMUTABLE, NO_CACHE};

pub(crate) const DIGEST: &str = "${digestOfSources()}";

pub(crate) const FILES: &[(&str, File)] = &[
${rows.join("\n")}
];
`);
const sum = (sizes) => sizes.reduce((all, size) => all + size, 0);
const every = Object.values(files);
const raw = sum(every.map((bytes) => bytes.length));
const gzip = sum(every.map((bytes) => gzipSync(bytes, { level: 9 }).length));
const brotli = sum(every.map((bytes) => brotliCompressSync(bytes).length));
console.log(`${raw} bytes, ${gzip} with gzip, ${brotli} with brotli`);
if (raw > RAW_MAX || gzip > COMPRESSED_MAX) {
  console.error(`too large: at most ${RAW_MAX} bytes, ${COMPRESSED_MAX} compressed`);
  process.exit(1);
}
