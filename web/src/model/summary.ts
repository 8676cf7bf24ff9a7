// What the folds of the browser and of Rust have in common, in the form in which tests compare them.

import { inOrder, usageOf, type Execution } from "./execution";
import { Fold } from "./fold";
import { plus } from "./usage";
import type { Event, Json, Usage } from "./types";

const orNull = (content: Json | undefined): Json =>
  content === undefined || content === "" ? null : content;

interface Result {
  [field: string]: Json | Usage | Result[];
}

/** The results of steps, with those inside of tool calls as part of the steps that made them. */
function results(children: Execution[], parent: Execution | null): Result[] {
  const found: Result[] = [];
  for (const child of inOrder(children, parent)) {
    if (child.type === "ToolCall") found.push(...results(child.children, child));
    else found.push(result(child));
  }
  return found;
}

function usageWithCalls(step: Execution): Usage {
  let sum = usageOf(step);
  for (const call of step.children) {
    if (call.type !== "ToolCall" || call.mark === "gone") continue;
    sum = plus(sum, usageWithCalls(call));
    sum = plus(sum, usageOfAll(call.children.filter((child) => child.type !== "ToolCall")));
  }
  return sum;
}

function usageOfAll(steps: Execution[]): Usage {
  return steps.reduce((sum, step) => {
    const inner = step.children.filter((child) => child.type !== "ToolCall");
    return plus(plus(sum, usageWithCalls(step)), usageOfAll(inner));
  }, {} as Usage);
}

function result(step: Execution): Result {
  return {
    path: step.path,
    step_type: step.type,
    status: step.status,
    attempts: step.attempts,
    started_at: step.startedAt,
    ended_at: step.endedAt,
    content: orNull(step.output?.content),
    error: step.error?.message ?? null,
    exhausted: step.exhausted,
    usage: usageWithCalls(step),
    steps: results(step.children, step),
  };
}

const cost = (fold: Fold): Json => [fold.cost.nano, fold.cost.unpriced];
const asked = (fold: Fold): string[] => fold.pending
  .filter((wait) => wait.requirement.requires !== "deadline")
  .map((wait) => wait.requirement.id);

/** Folds a stream, and sums up each prefix of it and the whole. */
export function summarize(events: Event[]): Result {
  const fold = new Fold();
  const facts: Json[] = [];
  for (const event of events) {
    fold.apply(event);
    if (event.delta !== undefined) continue;
    const usage = fold.usage() as { [field: string]: Json };
    facts.push([event.sequence, fold.status, usage, cost(fold), asked(fold)]);
  }
  return {
    run_id: fold.runId,
    session_id: fold.sessionId,
    status: fold.status,
    input: orNull(fold.input),
    content: orNull(fold.content),
    error: fold.failure?.error.message ?? null,
    duration_ms: fold.endedAt - fold.createdAt,
    steps: fold.steps,
    retries: fold.retryCount,
    model_calls: fold.modelCalls,
    tool_calls: fold.toolCalls,
    usage: fold.usage(),
    cost: cost(fold),
    requirements: asked(fold),
    step_results: results(fold.roots(), null),
    facts,
  };
}
