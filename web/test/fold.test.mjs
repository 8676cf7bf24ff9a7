// Folds recorded streams, and compares them with the golden files, which a Rust test compares with
// the fold of the engine. `GOLDEN=overwrite npm test` writes them anew.
import { test } from "node:test";
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { load } from "./load.mjs";
import { bigRun } from "../dev/synthetic.mjs";

const folder = new URL("../fixtures/", import.meta.url);
const { summarize } = await load("model/summary.ts");
const { Fold } = await load("model/fold.ts");
const { History } = await load("model/history.ts");
const read = (name) => readFileSync(new URL(name, folder), "utf8").trim().split("\n").map(JSON.parse);
const streams = readdirSync(folder).filter((name) => name.endsWith(".jsonl"));

for (const name of streams) {
  test(`the fold of ${name} is the golden one`, () => {
    const text = `${JSON.stringify(summarize(read(name)), null, 1)}\n`;
    const golden = new URL(name.replace(".jsonl", ".golden.json"), folder);
    if (process.env.GOLDEN === "overwrite") writeFileSync(golden, text);
    assert.deepEqual(JSON.parse(text), JSON.parse(readFileSync(golden, "utf8")));
  });
}

test("a history rewinds to the state that the run had", () => {
  for (const name of streams) {
    const events = read(name);
    const history = new History();
    for (const event of events) history.add(event);
    for (const at of [0, Math.floor(events.length / 2), events.length - 1, 3]) {
      const direct = new Fold();
      for (const event of events.slice(0, at + 1)) direct.apply(event);
      const then = history.foldAt(at);
      assert.equal(then.status, direct.status);
      assert.deepEqual(then.state, direct.state);
      assert.deepEqual([...then.open.keys()], [...direct.open.keys()]);
      assert.deepEqual(then.usage(), direct.usage());
    }
  }
});

test("steps back through a long run give the states that it had", () => {
  const events = bigRun(5000, 0);
  const history = new History();
  for (const event of events) history.add(event);
  for (const at of [4900, 4200, 3100, 3099, 2050, 1500, 1024, 1023, 7, 4500]) {
    const direct = new Fold();
    for (const event of events.slice(0, at + 1)) direct.apply(event);
    const then = history.foldAt(at);
    assert.deepEqual(then.executions.map((step) => [step.path, step.status, step.parent?.path, step.children.length]),
      direct.executions.map((step) => [step.path, step.status, step.parent?.path, step.children.length]));
    assert.deepEqual([then.usage(), then.cost, [...then.open.keys()]],
      [direct.usage(), direct.cost, [...direct.open.keys()]]);
  }
  assert.equal(history.now.status, "COMPLETED");
});

test("text that streams is kept until the fact has the whole", () => {
  const fold = new Fold();
  const events = read("desk-live.jsonl");
  const until = events.findIndex((event) => event.path === "outline" && event.event === "RunContent");
  for (const event of events.slice(0, until + 2)) fold.apply(event);
  const outline = fold.executions.find((step) => step.path === "outline");
  assert.ok(outline.partial.length > 0);
  assert.equal(typeof outline.spans[0].firstText, "number");
  for (const event of events.slice(until + 2)) fold.apply(event);
  assert.equal(outline.partial, "");
  assert.match(outline.output.content, /^The Severn|^Bridges|^## Findings/);
});

test("an event of an unknown kind changes nothing", () => {
  const fold = new Fold();
  const events = read("blog.jsonl");
  for (const event of events.slice(0, 5)) fold.apply(event);
  const before = fold.executions.length;
  fold.apply({ ...events[5], event: "SomethingNew", sequence: 5 });
  assert.equal(fold.executions.length, before);
});

test("an event that is delivered twice is taken once", () => {
  const events = read("desk-live.jsonl");
  const history = new History();
  for (const event of events) history.add(event);
  for (const event of events.slice(10, 60)) history.add(event);
  assert.equal(history.length, events.length);
});
