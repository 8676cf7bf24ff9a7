// Writes `src/api-types.ts`, the types of `/v1`, from the OpenAPI document of the server. A copy of the
// document without its texts is in `dev/openapi.json`, so that types are made without a server.
//   node dev/types.mjs                                          makes the types from the copy
//   node dev/types.mjs http://127.0.0.1:7777/v1/openapi.json    takes a new copy first
//   node dev/types.mjs --check http://127.0.0.1:7777/v1/openapi.json    fails if the copy is not current
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const copy = new URL("openapi.json", import.meta.url);
export const types = new URL("../src/api-types.ts", import.meta.url);

const TEXTS = new Set(["description", "summary", "info", "tags", "security", "securitySchemes"]);

/** The parts of a document that types are made of, in an order of their own. */
function shapeOf(value, named = false) {
  if (Array.isArray(value)) return value.map((item) => shapeOf(item));
  if (value === null || typeof value !== "object") return value;
  const kept = Object.entries(value).filter(([name]) => named || !TEXTS.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  // The names of members and schemas are not those of the document: one may be `description`.
  return Object.fromEntries(kept.map(([name, inner]) =>
    [name, shapeOf(inner, !named && (name === "properties" || name === "schemas" || name === "paths"))]));
}

export const textOfCopy = (document) => `${JSON.stringify(shapeOf(document), null, 1)}\n`;

const nameOf = (ref) => ref.slice(ref.lastIndexOf("/") + 1);
const SIMPLE = { string: "string", integer: "number", number: "number", boolean: "boolean", null: "null" };

function typeOf(schema, indent) {
  if (schema.$ref) return `Schemas["${nameOf(schema.$ref)}"]`;
  const several = schema.oneOf ?? schema.anyOf;
  if (several) return several.map((one) => typeOf(one, indent)).join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const kinds = [schema.type].flat().map((kind) => {
    if (kind === "array") {
      const item = typeOf(schema.items ?? {}, indent);
      return item.includes(" | ") ? `(${item})[]` : `${item}[]`;
    }
    if (kind === "object" && schema.properties) {
      const required = new Set(schema.required ?? []);
      return members(Object.entries(schema.properties)
        .map(([name, inner]) => [name, required.has(name), typeOf(inner, `${indent}  `)]), indent);
    }
    // The document says no more of such a value than that it is JSON.
    return SIMPLE[kind] ?? "unknown";
  });
  return kinds.includes("unknown") ? "unknown" : kinds.join(" | ");
}

function members(all, indent) {
  const lines = all.map(([name, required, type]) => `${indent}  ${name}${required ? "" : "?"}: ${type};\n`);
  return `{\n${lines.join("")}${indent}}`;
}

const jsonOf = (content) => content?.["application/json"]?.schema;

/** The parts that a request of an operation has, and its answer. */
function operation(described) {
  const given = (where) => (described.parameters ?? []).filter((one) => one.in === where)
    .map((one) => [one.name, one.required === true, typeOf(one.schema, "      ")]);
  const parts = ["path", "query"].map((where) => [where, given(where)])
    .filter(([, all]) => all.length > 0).map(([where, all]) => [where, true, members(all, "    ")]);
  const body = jsonOf(described.requestBody?.content);
  if (body) parts.push(["body", true, typeOf(body, "    ")]);
  const [, success] = Object.entries(described.responses).find(([status]) => /^2/.test(status)) ?? [];
  const answer = jsonOf(success?.content);
  return members([...parts, ["answer", true, answer ? typeOf(answer, "    ") : "unknown"]], "  ");
}

export function typesOf(document) {
  const schemas = Object.entries(document.components.schemas)
    .map(([name, schema]) => [name, true, typeOf(schema, "  ")]);
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) =>
      [`"${method.toUpperCase()} ${path}"`, true, operation(described)]));
  return `// The types of \`/v1\`, from the OpenAPI document of the server. Written by \`dev/types.mjs\`.

export interface Schemas ${members(schemas, "")}

export interface Operations ${members(operations, "")}
`;
}

async function main([first, second]) {
  if (first) {
    const address = first === "--check" ? second : first;
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${address}: ${response.status}`);
    const text = textOfCopy(await response.json());
    if (first === "--check") {
      if (text === readFileSync(copy, "utf8")) return;
      throw new Error("web/dev/openapi.json is not the document of this server; "
        + "run `node web/dev/types.mjs ADDRESS`, and build the page");
    }
    writeFileSync(copy, text);
  }
  writeFileSync(types, typesOf(JSON.parse(readFileSync(copy, "utf8"))));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await main(process.argv.slice(2));
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
}
