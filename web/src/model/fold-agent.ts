// Folds the events of agents inside their steps: requests, answers, messages and tool calls.

import { callerOf } from "./path";
import { addCost, nothing, plus } from "./usage";
import { pushed, type AgentRun, type Execution, type FoldState, type ModelSpan } from "./execution";
import type { Cost, ErrorData, Event, Json, Message, Part, ToolOutcome, Usage } from "./types";

export function foldAgent(fold: FoldState, event: Event): void {
  const at = fold.open.get(event.path);
  const run = at?.runs.at(-1);
  switch (event.event) {
    case "RunStarted":
      if (!at) return;
      at.runs = pushed(at.runs, {
        agent: event["agent"] as string, model: event["model"] as string,
        notice: (event["notice"] as string | undefined) ?? null,
        message: (event["message"] as Json) ?? null, turns: [], content: null, usage: {},
        error: null,
      });
      return;
    case "ModelRequestStarted":
      if (!at) return;
      at.spans = pushed(at.spans, { turn: event["turn"] as number, from: event.time_ms, firstText: null,
        to: null, usage: {}, cost: nothing(), stop: null, model: null, warning: null });
      return;
    case "ModelRequestRetrying":
      if (at) consumed(at, run, event["usage"] as Usage | undefined);
      return;
    case "ModelRequestCompleted":
      return answered(fold, event, at, run);
    case "ModelRequestInterrupted": {
      const span = at?.spans.at(-1);
      if (span) span.to = event.time_ms;
      const partial = event["partial"] as string | undefined;
      if (partial) {
        run?.turns.push({ kind: "model", parts: [{ type: "text", text: partial }],
          span: span ?? null });
      }
      fold.modelCalls += 1;
      addCost(fold.cost, undefined);
      if (at) addCost(at.cost, undefined);
      return;
    }
    case "MessageReceived":
      run?.turns.push({ kind: "message", message: event["message"] as Message });
      return;
    case "ToolCallStarted": {
      const call = event["tool"] as { id: string; name: string; arguments: Json };
      // A call may begin again. In older journals it has the path of its step.
      if (at && at.mark !== "again") return;
      fold.start(event, "ToolCall", callerOf(event.path) ?? "").call = call;
      return;
    }
    case "ToolCallCompleted": case "ToolCallError":
      return called(fold, event, at);
    case "RunCompleted":
      if (run) run.content = event["content"] as Json;
      return;
    case "RunError":
      if (at) consumed(at, run, event["usage"] as Usage | undefined);
      if (run) run.error = event["error"] as ErrorData;
      return;
  }
}

function answered(fold: FoldState, event: Event, at: Execution | undefined, run?: AgentRun): void {
  const usage = event["usage"] as Usage | undefined;
  const cost = event["cost"] as Cost | undefined;
  fold.modelCalls += 1;
  addCost(fold.cost, cost);
  if (!at) return;
  at.usage = plus(at.usage, usage);
  addCost(at.cost, cost);
  const open = at.spans.at(-1);
  const span: ModelSpan | null = open && open.to === null ? open : null;
  if (span) {
    span.to = event.time_ms;
    span.usage = usage ?? {};
    addCost(span.cost, cost);
    span.stop = (event["stop"] as Json) ?? null;
    span.model = (event["model"] as string | undefined) ?? null;
    span.warning = (event["warning"] as string | undefined) ?? null;
  }
  if (run) {
    const answer = event["answer"] as { parts?: Part[] };
    run.turns.push({ kind: "model", parts: answer.parts ?? [], span });
    run.usage = plus(run.usage, usage);
  }
}

/** Counts the tokens of a request that gave no answer. */
function consumed(at: Execution, run: AgentRun | undefined, usage: Usage | undefined): void {
  at.usage = plus(at.usage, usage);
  if (run) run.usage = plus(run.usage, usage);
}

function called(fold: FoldState, event: Event, at: Execution | undefined): void {
  const outcome = event["tool"] as ToolOutcome;
  let step = at;
  if (at?.type === "ToolCall") {
    fold.finish(event, "completed");
    at.outcome = outcome;
    if (event["error"]) at.error = event["error"] as ErrorData;
    step = at.parent ?? undefined;
  }
  const turns = step?.runs.at(-1)?.turns;
  if (turns) insertInOrder(turns, outcome);
  fold.toolCalls += 1;
}

/** Answers of tools are kept in the order of their calls, not of their arrival. */
function insertInOrder(turns: AgentRun["turns"], outcome: ToolOutcome): void {
  const asked = turns.findLast((turn) => turn.kind === "model");
  const calls = asked?.kind === "model"
    ? asked.parts.filter((part) => part.type === "tool_call").map((part) => part.id) : [];
  const here = calls.indexOf(outcome.call_id);
  let place = turns.length;
  while (place > 0) {
    const before = turns[place - 1]!;
    if (before.kind !== "tool" || calls.indexOf(before.outcome.call_id) <= here) break;
    place -= 1;
  }
  turns.splice(place, 0, { kind: "tool", outcome });
}

/** Counts the work of an agent in a decision, whose container may not have begun. */
export function foldDecider(fold: FoldState, fact: Event): void {
  const usage = fact["usage"] as Usage | undefined;
  switch (fact.event) {
    case "ModelRequestCompleted":
      fold.modelCalls += 1;
      addCost(fold.cost, fact["cost"] as Cost | undefined);
      fold.decided = plus(fold.decided, usage);
      return;
    case "ModelRequestInterrupted":
      fold.modelCalls += 1;
      addCost(fold.cost, undefined);
      return;
    case "ModelRequestRetrying": case "RunError":
      fold.decided = plus(fold.decided, usage);
      return;
    case "ToolCallCompleted": case "ToolCallError":
      fold.toolCalls += 1;
      return;
  }
}
