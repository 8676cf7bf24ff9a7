// The types of `/v1`: those of the document, in the page and in the answers of the stand-in server.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { startServer } from "../dev/server.mjs";
import { copy, textOfCopy, types, typesOf } from "../dev/types.mjs";

const text = readFileSync(copy, "utf8");
const document = JSON.parse(text);

test("the types are made from the document", () => {
  assert.equal(readFileSync(types, "utf8"), typesOf(document), "run `node dev/types.mjs`");
  assert.equal(textOfCopy(document), text);
});

test("the copy keeps members that are named as the texts of the document", () => {
  const described = { components: { schemas: { Tags: { type: "object", description: "a text", required: ["summary"],
    properties: { summary: { type: "string", description: "a text" }, tags: { type: ["array", "null"], items: { type: "string" } } } } } },
    paths: {} };
  const kept = textOfCopy(described);
  assert.doesNotMatch(kept, /a text/);
  assert.match(typesOf(JSON.parse(kept)), /Tags: \{\n +summary: string;\n +tags\?: string\[\] \| null;\n +\};/);
});

/** The places where a value is not what a schema says. */
function wrong(schema, value, at) {
  if (schema.$ref) return wrong(document.components.schemas[schema.$ref.split("/").pop()], value, at);
  if (schema.oneOf) {
    const all = schema.oneOf.map((one) => wrong(one, value, at));
    return all.some((found) => found.length === 0) ? [] : all.at(-1);
  }
  const kinds = [schema.type].flat();
  const kind = value === null ? "null" : Array.isArray(value) ? "array" : Number.isInteger(value) ? "integer" : typeof value;
  if (!kinds.includes(kind) && !(kind === "integer" && kinds.includes("number"))) return [`${at} is ${kind}, not ${kinds}`];
  if (kind === "array") return value.flatMap((item, nth) => wrong(schema.items ?? {}, item, `${at}[${nth}]`));
  if (kind !== "object") return [];
  const missing = (schema.required ?? []).filter((name) => value[name] === undefined).map((name) => `${at}.${name} is missing`);
  const members = Object.entries(schema.properties ?? {}).filter(([name]) => value[name] !== undefined);
  return [...missing, ...members.flatMap(([name, inner]) => wrong(inner, value[name], `${at}.${name}`))];
}

test("the stand-in server answers as the document says", async () => {
  const server = await startServer({ rows: 3 });
  const ask = async (method, template, ids = {}, body) => {
    const path = template.replace(/\{(\w+)\}/g, (_, name) => ids[name]);
    const response = await fetch(new URL(path.slice(1), server.url), { method, body: body && JSON.stringify(body) });
    assert.ok(response.ok, `${method} ${path}: ${response.status}`);
    const { responses } = document.paths[template][method.toLowerCase()];
    const [, { content }] = Object.entries(responses).find(([status]) => /^2/.test(status));
    assert.deepEqual(wrong(content["application/json"].schema, await response.json(), `${method} ${template}`), []);
  };
  try {
    for (const path of ["workflows", "runs", "inbox", "schedules", "webhooks", "keys"]) await ask("GET", `/v1/${path}`);
    await ask("GET", "/v1/workflows/{id}", { id: "digest" });
    for (const id of ["desk", "desk-fork", "undo", "run-000001"]) await ask("GET", "/v1/runs/{id}", { id });
    await ask("GET", "/v1/runs/{id}/events", { id: "desk" });
    await ask("POST", "/v1/workflows/{id}/runs", { id: "blog" }, { input: "ants" });
    await ask("POST", "/v1/runs/{id}/fork", { id: "desk" }, { at: "" });
    await ask("POST", "/v1/runs/{id}/rerun", { id: "desk" }, { from: "gather" });
    for (const word of ["resume", "retry"]) await ask("POST", `/v1/runs/{id}/${word}`, { id: "undo" });
    await ask("POST", "/v1/runs/{id}/messages", { id: "desk" }, { text: "faster" });
    await ask("POST", "/v1/runs/{id}/answers", { id: "article" }, { answers: { "publish!confirm": { decision: "approve" } } });
    await ask("POST", "/v1/runs/{id}/cancel", { id: "refund-paused" });
    for (const word of ["pause", "resume", "run"]) await ask("POST", `/v1/schedules/{id}/${word}`, { id: "digest.morning" });
    await ask("POST", "/v1/webhooks/{id}/token", { id: "order.paid" });
    await ask("POST", "/v1/keys", {}, { name: "desk", role: "viewer" });
    await ask("DELETE", "/v1/keys/{id}", { id: "4e5f6a7b" });
  } finally {
    server.stop();
  }
});
