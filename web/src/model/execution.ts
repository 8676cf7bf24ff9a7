// The executions of a run, as its fold keeps them.

import { numberOf } from "./path";
import { atLeast, plus, type Money } from "./usage";
import type {
  ErrorData, Event, Json, Members, Message, Part, Requirement, RunStatus, StepOutput, StepStatus,
  ToolOutcome, Usage,
} from "./types";

/** A request to a model. */
export interface ModelSpan {
  turn: number;
  from: number;
  firstText: number | null;
  to: number | null;
  usage: Usage;
  cost: Money;
  stop: Json;
  model: string | null;
  warning: string | null;
}

export type Turn =
  | { kind: "model"; parts: Part[]; span: ModelSpan | null }
  | { kind: "tool"; outcome: ToolOutcome }
  | { kind: "message"; message: Message };

/** The work of an agent. */
export interface AgentRun {
  agent: string;
  model: string;
  notice: string | null;
  message: Json;
  turns: Turn[];
  content: Json;
  usage: Usage;
  error: ErrorData | null;
}

/** A wait for a person or a moment. `to` is null while it lasts. */
export interface Wait {
  requirement: Requirement;
  from: number;
  to: number | null;
  answer: Members | null;
  by: string | null;
  timedOut: boolean;
}

export interface Retry {
  attempt: number;
  at: number;
  delay: number;
  error: ErrorData;
}

/** An execution: a step, a container, a turn, an item or a tool call. */
export interface Execution {
  path: string;
  name: string;
  type: string;
  parent: Execution | null;
  children: Execution[];
  status: StepStatus;
  executorType: string | null;
  executor: string | null;
  attempts: number;
  startedAt: number;
  endedAt: number | null;
  output: StepOutput | null;
  error: ErrorData | null;
  exhausted: boolean;
  order: string[] | null;
  /** For a container, the events of its beginning and of its end. */
  began: Event | null;
  done: Event | null;
  runs: AgentRun[];
  spans: ModelSpan[];
  retries: Retry[];
  call: { id: string; name: string; arguments: Json } | null;
  outcome: ToolOutcome | null;
  partial: string;
  reasoning: string;
  progress: string;
  logs: { at: number; name: string; data: Json }[];
  cost: Money;
  before: Usage;
  usage: Usage;
  first: number;
  last: number;
  mark: "" | "again" | "gone";
}

/** The parts of a fold that agents, retries and forks change. */
export interface FoldState {
  status: RunStatus;
  endedAt: number;
  executions: Execution[];
  open: Map<string, Execution>;
  /** The number of tool calls that are running. */
  calls: number;
  pending: Wait[];
  modelCalls: number;
  toolCalls: number;
  cost: Money;
  decided: Usage;
  start(event: Event, type: string, parentPath: string): Execution;
  finish(event: Event, status: StepStatus): Execution | null;
}

/** The empty list of all executions that have none: most have no retries, no calls and no logs. */
export const NONE: never[] = [];

/** A list with one more element. The shared empty list stays empty. */
export function pushed<T>(list: T[], item: T): T[] {
  if (list === NONE) return [item];
  list.push(item);
  return list;
}

/** What a container decided, and how it ended. */
export function detailOf(execution: Execution): Members {
  const common = ["sequence", "time_ms", "run_id", "path", "step_name", "event", "status", "error"];
  const fields = { ...execution.began, ...execution.done };
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !common.includes(name))) as Members;
}

export const isConcurrent = (type: string): boolean => type === "Parallel" || type === "Map";
export const isAfter = (type: string): boolean =>
  type === "OnFailure" || type === "Finally" || type === "Undo";

/** The tokens of all attempts of an execution, without those inside it. */
export function usageOf(step: Execution): Usage {
  return plus(step.before, atLeast(step.usage, step.output?.usage));
}

/** Children in the order of the definition, because branches may begin in another one. */
export function inOrder(children: Execution[], parent: Execution | null): Execution[] {
  const counting = children.filter((child) => child.mark !== "gone");
  if (!parent || !isConcurrent(parent.type)) return counting;
  const order = parent.order;
  const place = (child: Execution): number => {
    if (!order) return numberOf(child.path) ?? Number.MAX_SAFE_INTEGER;
    const at = isAfter(child.type) ? -1 : order.indexOf(child.name);
    return at < 0 ? Number.MAX_SAFE_INTEGER : at;
  };
  return counting.sort((a, b) => place(a) - place(b));
}
