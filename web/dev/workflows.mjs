// Writes `dev/workflows.json`: the sample workflows of the development server.
//   STEPWRIGHT=path/to/stepwright node dev/workflows.mjs
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { planOf } from "./plans.mjs";

const root = fileURLToPath(new URL("../../", import.meta.url));
const text = { type: "string", minLength: 1, title: "Topic", description: "the topic" };
const desk = { type: "object", required: ["topic"], properties: {
  topic: { type: "string", minLength: 1, title: "Topic", description: "the subject of the article" },
  audience: { enum: ["engineers", "students", "everyone"], default: "engineers", title: "Audience" },
  words: { type: "integer", minimum: 50, maximum: 2000, default: 300, title: "Words" },
  urgent: { type: "boolean", default: false, title: "Urgent" } } };
const support = { type: "object", required: ["customer", "subject", "text"], properties: {
  customer: { type: "string", minLength: 1 }, subject: { type: "string", minLength: 1 },
  text: { type: "string", minLength: 1 }, amount: { type: "number", description: "the amount of the order" } } };
const samples = [
  ["research-desk", "web/dev/workflows/desk.yaml", "Gathers facts, writes and revises an article, and asks before it is published.", desk],
  ["blog", "examples/workflows/blog.yaml", "A blog post that is written, reviewed and revised until it passes the review.", text],
  ["triage", "examples/workflows/triage.yaml", "Sorts support requests, and asks people before anything is promised.", support],
  ["approval", "examples/approval.yaml", "A newsletter that people fill in, review and approve.", text],
  ["digest", "examples/digest.yaml", "Reads a folder of documents and writes a digest.", { ...text, title: "Folder", description: "the folder" }],
  ["order", "web/dev/workflows/undo.yaml", "A run that fails, undoes what it did, and cleans up.", text],
];
const found = samples.map(([id, file, description, input_schema]) => {
  const checked = JSON.parse(execFileSync(process.env.STEPWRIGHT ?? "stepwright",
    ["check", file, "--format", "json"], { cwd: root }));
  return { id, name: checked.name, description, input_schema, plan: planOf(checked) };
});
writeFileSync(new URL("workflows.json", import.meta.url), `${JSON.stringify(found, null, 1)}\n`);
