// Sums of runs by day and by workflow, and the budgets of plans.
import { test } from "node:test";
import assert from "node:assert/strict";
import { load } from "./load.mjs";

const { dayOf, daysUntil, Spend } = await load("model/spend.ts");
const { amount, budgetsOf } = await load("model/budget.ts");

const row = (run_id, created_at, tokens, cost, workflow_id = "blog") => ({ run_id, created_at, tokens, cost, workflow_id });
const at = (...parts) => new Date(...parts).getTime();

test("a run counts once, on the day on which it began where the reader is", () => {
  const spend = new Spend();
  spend.add(row("a", at(2026, 10, 29, 23, 59), 100, 0.1));
  spend.add(row("b", at(2026, 10, 30, 0, 0), 200, 0.2, "desk"));
  spend.add(row("b", at(2026, 10, 30, 0, 0), 200, 0.2, "desk"));
  spend.add(row("c", at(2026, 10, 30, 12), 1, 0.3, "desk"));
  const sum = (runs, tokens, nano) => ({ runs, tokens, nano, unpriced: 0, unknown: 0 });
  assert.deepEqual(spend.all, sum(3, 301, 600_000_000));
  assert.deepEqual(spend.days.get(at(2026, 10, 29)), sum(1, 100, 100_000_000));
  assert.deepEqual(spend.days.get(dayOf(at(2026, 10, 30, 23))), sum(2, 201, 500_000_000));
  assert.deepEqual(spend.workflows.get("desk"), sum(2, 201, 500_000_000));
});

test("a run without a price, and one that cannot be read, are told apart from one that cost nothing", () => {
  const spend = new Spend();
  spend.add(row("free", 0, 10, 0));
  spend.add(row("unpriced", 0, 10, null));
  spend.add(row("unreadable", 0, null, null));
  assert.deepEqual(spend.all, { runs: 3, tokens: 20, nano: 0, unpriced: 1, unknown: 1 });
});

test("the days up to now go over the ends of months and years", () => {
  assert.deepEqual(daysUntil(at(2027, 0, 1, 9, 30), 3), [at(2027, 0, 1), at(2026, 11, 31), at(2026, 11, 30)]);
});

test("the budgets of a plan are those of its run, its session, its steps and their agents", () => {
  // As `stepwright serve` shows such a workflow.
  const find = { index: 1, name: "find", kind: { step: { executor_type: "agent", executor_name: "scout" } },
    content: { budget: '{"tokens":50000,"at_limit":"wrap_up"}', model: "offline:extract" }, budgets: [{ tool_calls: 20 }] };
  const plan = { name: "Limited", body: [{ index: 0, name: "each", kind: { map: { body: [find], concurrency: 8 } } }],
    content: { session_budget: '{"tokens":1000000}' }, budget: { usd: 2.0, time_ms: 600_000, at_limit: "pause" } };
  assert.deepEqual(budgetsOf(plan), [
    { of: "run", path: "", limits: ["$2.00", "10 min"], then: "then the run asks for more" },
    { of: "session", path: "", limits: ["1,000,000 tokens"], then: "then the step fails" },
    { of: "step", path: "each/find", limits: ["20 tool calls"], then: "then the step fails" },
    { of: "agent", path: "each/find", limits: ["50,000 tokens"], then: "then the agent wraps up" },
  ]);
  assert.deepEqual(budgetsOf({ name: "Free", body: [] }), []);
});

test("amounts have the unit of their limit", () => {
  assert.deepEqual([amount("usd", 1_500_000_000), amount("time", 90_000), amount("model_calls", 1)],
    ["$1.50", "1 min 30 s", "1 model call"]);
});
