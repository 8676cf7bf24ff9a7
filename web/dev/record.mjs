// Records real event streams with the `stepwright` command into `fixtures/`. A development tool:
//   STEPWRIGHT=path/to/stepwright node dev/record.mjs
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { startModel } from "./model.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");
const command = process.env.STEPWRIGHT ?? "stepwright";
const folder = mkdtempSync(join(tmpdir(), "stepwright-record-"));
const db = join(folder, "runs.db");
const model = await startModel({ delay: 4 });
mkdirSync(join(folder, "examples"));
copyFileSync(join(root, "examples/notes.md"), join(folder, "examples/notes.md"));
mkdirSync(join(folder, "docs"));
for (const bird of ["crow", "heron", "swift"]) {
  const text = `The ${bird} nests early in the year. It returns to the same place each spring. `;
  writeFileSync(join(folder, `docs/${bird}.md`), text.repeat(4));
}
writeFileSync(join(folder, "prices.json"), JSON.stringify({
  "openai-chat:gpt-5-mini": { input: 2.5, cached_input: 0.25, output: 20 },
}));
const env = { ...process.env, OPENAI_API_KEY: "sk-sample", OPENAI_BASE_URL: model.url };

function stepwright(...args) {
  return new Promise((done, failed) => {
    execFile(command, args, { cwd: root, env, maxBuffer: 1 << 28 }, (error, stdout, stderr) => {
      const code = error?.code ?? 0;
      if ([0, 1, 3, 4].includes(code)) done(stdout);
      else failed(new Error(`${args.join(" ")}: ${code}\n${stderr}`));
    });
  });
}

/** Writes a stream without what is of this machine. */
function keep(name, text) {
  const clean = text
    .replaceAll(/"driver":"[^"]*"/g, '"driver":"sample/1"')
    .replaceAll(root, "/project").replaceAll(folder, "/data")
    .replaceAll(model.url, "http://model.example/v1");
  writeFileSync(join(here, "../fixtures", `${name}.jsonl`), clean);
  console.log(name, clean.trim().split("\n").length, "events");
}

const run = (file, id, input, ...more) =>
  stepwright("run", file, ...(input === null ? [] : [input]), "--run-id", id, "--db", db,
    "--json", "--events", "--base-dir", folder, "--prices", join(folder, "prices.json"), ...more);
const facts = async (name, id) => keep(name, await stepwright("events", id, "--db", db, "--json"));
const next = (id, ...more) => stepwright("continue", id, "--db", db, "--base-dir", folder,
  "--prices", join(folder, "prices.json"), ...more);

const desk = "web/dev/workflows/desk.yaml";
const topic = JSON.stringify({ topic: "Why bridges sing", audience: "engineers", words: 300 });
keep("desk-live", await run(desk, "desk-1", topic, "--session-id", "bridges", "--user-id", "ada"));
await next("desk-1", "--submit", 'publish={"channel":"blog","headline":"Singing bridges"}');
await facts("desk", "desk-1");
await stepwright("fork", "desk-1", "--at", "revise#1/draft", "--set", "input.topic=Tunnels",
  "--run-id", "desk-2", "--db", db, "--base-dir", folder,
  "--prices", join(folder, "prices.json"));
await facts("desk-fork", "desk-2");

keep("blog", await run("examples/workflows/blog.yaml", "blog-1",
  "Why ants carry leaves. They feed a fungus. The fungus feeds them."));
const refund = { customer: "Ada", subject: "Order 7", text: "I want my money back.", amount: 40 };
keep("refund-paused", await run("examples/workflows/triage.yaml", "triage-1",
  JSON.stringify(refund)));
await next("triage-1", "--reject", "handled/refund=too late");
await facts("refund-rejected", "triage-1");
await stepwright("resume", "triage-1", "--retry", "--db", db, "--base-dir", folder);
await facts("refund-retried", "triage-1");
await stepwright("cancel", "triage-1", "--db", db);
await facts("refund-cancelled", "triage-1");
await run("examples/approval.yaml", "approval-1", "Ants are small. They carry leaves.");
await next("approval-1", "--submit", 'written={"audience":"children"}');
await facts("approval-review", "approval-1");
await run("examples/article.yaml", "article-1", "AI agents");
await facts("article", "article-1");
keep("digest", await run("examples/digest.yaml", "digest-1", "docs"));
keep("undo", await run("web/dev/workflows/undo.yaml", "undo-1", "many"));
model.stop();
rmSync(folder, { recursive: true });
