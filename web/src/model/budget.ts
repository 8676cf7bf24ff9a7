// Budgets of plans, and the amounts of their limits: `stepwright_core::budget` in the words of the page.

import { count, duration, money } from "../format";
import type { Plan, PlanNode } from "./types";

/** The unit in which a person gives more of a limit. */
export const unitOf = (limit: string): string =>
  ({ usd: "US dollars", time: "seconds" })[limit] ?? limit.replace("_", " ");

/** An amount in the unit of the engine: billionths of a US dollar, milliseconds, or a number. */
export function amount(limit: string, value: number): string {
  if (limit === "usd") return money({ nano: value, unpriced: 0 });
  if (limit === "time") return duration(value);
  const unit = unitOf(limit);
  return `${count(value)} ${value === 1 ? unit.slice(0, -1) : unit}`;
}

/** A budget as a plan has it. */
interface Budget {
  tokens?: number;
  usd?: number;
  time_ms?: number;
  model_calls?: number;
  tool_calls?: number;
  at_limit?: string;
}

/** A budget, and what it limits. */
export interface Limited {
  of: "run" | "session" | "step" | "agent";
  /** The path of the step, or of the step whose agent it is. */
  path: string;
  limits: string[];
  then: string;
}

const THEN: { [policy: string]: string } = {
  pause: "then the run asks for more", wrap_up: "then the agent wraps up",
};

function limited(of: Limited["of"], path: string, budget: Budget): Limited {
  const { tokens, usd, time_ms, model_calls, tool_calls, at_limit } = budget;
  const all: [string, number | undefined][] = [["tokens", tokens],
    ["usd", usd === undefined ? undefined : Math.round(usd * 1e9)], ["time", time_ms],
    ["model_calls", model_calls], ["tool_calls", tool_calls]];
  const limits = all.flatMap(([limit, value]) => value === undefined ? [] : [amount(limit, value)]);
  return { of, path, limits, then: THEN[at_limit ?? ""] ?? "then the step fails" };
}

/** The budgets of a plan: its own, that of the session, and those of its steps, containers and agents. */
export function budgetsOf(plan: Plan): Limited[] {
  const found: Limited[] = [];
  // The content of a plan and of a node has the texts that the digest is made of.
  const told = (of: Limited["of"], path: string, text: unknown): void => {
    if (typeof text === "string") found.push(limited(of, path, JSON.parse(text) as Budget));
  };
  const visit = (value: unknown, path: string): void => {
    if (Array.isArray(value)) {
      for (const item of value) visit(item, path);
    } else if (value !== null && typeof value === "object") {
      const node = value as Partial<PlanNode>;
      // A plan inside of a plan has a name too, and is no part of the path.
      const at = node.kind === undefined || node.name === undefined ? path : path ? `${path}/${node.name}` : node.name;
      for (const budget of node.budgets ?? []) found.push(limited("step", at, budget as Budget));
      if (node.kind !== undefined) told("agent", at, node.content?.["budget"]);
      for (const [member, inner] of Object.entries(value)) {
        if (member !== "budgets" && member !== "content") visit(inner, at);
      }
    }
  };
  if (plan.budget) found.push(limited("run", "", plan.budget as Budget));
  told("session", "", plan.content?.["session_budget"]);
  visit([plan.body, plan.after], "");
  return found;
}
