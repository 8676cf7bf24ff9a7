// Folds the events of a run into a tree of executions: the counterpart of `stepwright_core::fold`.
// Tests give both the same recorded streams. This fold keeps more for the eye (waits, attempts,
// requests to models, text so far) and does not reject histories that cannot be.

import { contains, nameOf, parentOf } from "./path";
import {
  NONE, inOrder, isAfter, isConcurrent, pushed, usageOf, type Execution, type FoldState, type Wait,
} from "./execution";
import { foldAgent, foldDecider } from "./fold-agent";
import { rewind } from "./fold-rewind";
import { add, atLeast, nothing, plus, since, type Money } from "./usage";
import type {
  ErrorData, Event, Json, Members, Patch, Requirement, RunStatus, StepOutput, StepStatus, Usage,
} from "./types";

const CONTAINERS: { [event: string]: string } = {
  StepsExecution: "Steps", ParallelExecution: "Parallel", LoopExecution: "Loop",
  LoopIteration: "Iteration", ConditionExecution: "Condition", RouterExecution: "Router",
  MapExecution: "Map", MapItem: "Item", OnFailure: "OnFailure", Finally: "Finally", Undo: "Undo",
};

const STARTS = new Map<string, string>();
const ENDS = new Set<string>();
for (const [prefix, type] of Object.entries(CONTAINERS)) {
  STARTS.set(`${prefix}Started`, type);
  ENDS.add(`${prefix}Completed`);
}

export class Fold implements FoldState {
  runId = "";
  workflowId = "";
  workflowName = "";
  sessionId = "";
  userId: string | null = null;
  digest = "";
  status: RunStatus = "PENDING";
  input: Json = null;
  metadata: Members = {};
  content: Json = null;
  failure: { error: ErrorData; step: string | null; attempts: number } | null = null;
  reason: string | null = null;
  stoppedAt: string | null = null;
  stopping = false;
  queued: { key: string; max: number; ahead: number } | null = null;
  /** The queues of which a worker must take the run. */
  awaitedQueues: string[] = [];
  origin: { run: string; until: number } | null = null;
  forkedAt: string | null = null;
  pausedUntil: number | null = null;
  createdAt = 0;
  /** The start of the origin for a fork, and `createdAt` otherwise. */
  begunAt = 0;
  endedAt = 0;
  next = 0;
  executions: Execution[] = [];
  open = new Map<string, Execution>();
  calls = 0;
  pending: Wait[] = [];
  waits: Wait[] = [];
  pauses: { from: number; to: number | null }[] = [];
  warnings: { path: string; limit: string; used: number; of: number }[] = [];
  state: Members = {};
  steps = 0;
  retryCount = 0;
  modelCalls = 0;
  toolCalls = 0;
  cost: Money = nothing();
  decided: Usage = {};
  shared: Usage | null = null;

  get ended(): boolean {
    return this.status === "COMPLETED" || this.status === "ERROR" || this.status === "CANCELLED";
  }

  apply(event: Event): void {
    if (event.delta !== undefined) {
      this.delta(event);
      return;
    }
    this.next = event.sequence + 1;
    if (event.event === "WorkflowStarted") {
      this.started(event);
      return;
    }
    this.endedAt = event.time_ms;
    const at = this.open.get(event.path);
    if (at) at.last = event.sequence;
    this.fact(event);
  }

  private started(event: Event): void {
    this.runId = event.run_id;
    this.workflowName = event["workflow_name"] as string;
    this.createdAt = this.begunAt = this.endedAt = event.time_ms;
    this.state = { ...((event["state"] as Members | undefined) ?? {}) };
    this.patch(event["patches"] as Patch[] | undefined);
    this.begin(event);
    this.input = (event["input"] as { content?: Json } | undefined)?.content ?? null;
    this.status = "RUNNING";
  }

  private begin(event: Event): void {
    this.workflowId = event["workflow_id"] as string;
    this.digest = event["digest"] as string;
    this.sessionId = event["session_id"] as string;
    this.userId = (event["user_id"] as string | undefined) ?? null;
    this.metadata = (event["metadata"] as Members | undefined) ?? {};
  }

  private fact(event: Event): void {
    const kind = event.event;
    const container = STARTS.get(kind);
    if (container) return this.containerStarted(event, container);
    if (ENDS.has(kind)) return this.containerEnded(event);
    switch (kind) {
      case "WorkflowCompleted":
        this.content = (event["content"] as Json) ?? null;
        this.stoppedAt = (event["stopped_at"] as string | undefined) ?? null;
        return this.end("COMPLETED");
      case "WorkflowError":
        this.failure = {
          error: event["error"] as ErrorData,
          step: (event["step"] as string | undefined) ?? null,
          attempts: event["attempts"] as number,
        };
        return this.end("ERROR");
      case "WorkflowCancelled":
        this.reason = event["reason"] as string;
        return this.end("CANCELLED");
      case "WorkflowStopping":
        this.stopping = true;
        return;
      case "WorkflowPaused":
        this.status = "PAUSED";
        this.pausedUntil = (event["until"] as number | undefined) ?? null;
        this.pauses.push({ from: event.time_ms, to: null });
        return;
      case "WorkflowQueued":
        this.status = "PENDING";
        this.queued = { key: event["key"] as string, max: event["max"] as number,
          ahead: event["ahead"] as number };
        this.pauses.push({ from: event.time_ms, to: null });
        return;
      case "WorkflowHandedOver":
        this.status = "PENDING";
        this.awaitedQueues = event["queues"] as string[];
        this.pauses.push({ from: event.time_ms, to: null });
        return;
      case "WorkflowContinued":
      case "WorkflowAdmitted":
        this.status = "RUNNING";
        this.queued = null;
        this.awaitedQueues = [];
        this.resumed(event.time_ms);
        return;
      case "WorkflowRetried":
        this.resumed(event.time_ms);
        rewind(this, event["steps"] as string[], [], true);
        this.forget();
        return;
      case "WorkflowForked":
        return this.forked(event);
      case "DeciderRecorded":
        return foldDecider(this, event["fact"] as Event);
      case "StepPaused": case "RouterPaused": case "StepOutputReview":
      case "StepExecutorPaused": case "DeadlineSet":
        return this.asked(event, event["requirement"] as Requirement);
      case "StepContinued": case "StepExecutorContinued": case "DeadlinePassed":
        return this.answered(event);
      case "StepStarted":
        return this.stepStarted(event);
      case "StepRetrying":
        return this.retrying(event);
      case "StepAttemptStarted": {
        const step = this.open.get(event.path);
        if (step) step.attempts = event["attempt"] as number;
        return;
      }
      case "StepCompleted": case "StepError": case "StepSkipped": case "StepCancelled":
        return this.stepEnded(event);
      case "BudgetWarning":
        this.warnings.push({ path: event.path, limit: event["limit"] as string,
          used: event["used"] as number, of: event["of"] as number });
        return;
      default:
        foldAgent(this, event);
    }
  }

  private resumed(at: number): void {
    const pause = this.pauses.at(-1);
    if (pause && pause.to === null) pause.to = at;
    this.pausedUntil = null;
  }

  private forget(): void {
    this.content = null;
    this.failure = this.reason = this.stoppedAt = null;
    this.stopping = false;
  }

  private forked(event: Event): void {
    rewind(this, event["steps"] as string[], (event["open"] as string[] | undefined) ?? [], false);
    this.shared = this.executions.reduce((sum, step) => plus(sum, usageOf(step)), {} as Usage);
    this.resumed(event.time_ms);
    this.forget();
    this.origin = event["origin"] as { run: string; until: number };
    this.forkedAt = event["at"] as string;
    this.runId = event.run_id;
    this.begin(event);
    const input = event["input"] as { content?: Json } | undefined;
    if (input) this.input = input.content ?? null;
    this.createdAt = event.time_ms;
    this.queued = null;
    this.awaitedQueues = [];
    this.steps = this.retryCount = this.modelCalls = this.toolCalls = 0;
    this.cost = nothing();
    this.decided = {};
  }

  private end(status: RunStatus): void {
    this.status = status;
    this.queued = null;
    this.awaitedQueues = [];
    this.open.clear();
    for (const wait of this.pending) wait.to = this.endedAt;
    this.pending = [];
  }

  private asked(event: Event, requirement: Requirement): void {
    const wait: Wait = { requirement, from: event.time_ms, to: null, answer: null, by: null,
      timedOut: false };
    this.pending.push(wait);
    this.waits.push(wait);
    const usage = requirement.requires === "output_review" && requirement.output?.usage;
    const step = this.open.get(event.path);
    if (usage && step?.type === "Step") step.usage = atLeast(step.usage, usage);
  }

  private answered(event: Event): void {
    const place = this.pending.findIndex((wait) => wait.requirement.id === event["requirement_id"]);
    const wait = this.pending[place];
    if (!wait) return;
    wait.to = event.time_ms;
    wait.answer = event["answer"] as Members;
    wait.by = (event["by"] as string | undefined) ?? null;
    wait.timedOut = event["timed_out"] === true;
    this.pending.splice(place, 1);
  }

  /** Drops the pending requests at and inside of `path`. */
  private withdraw(path: string, at: number): void {
    if (this.pending.length === 0) return;
    this.pending = this.pending.filter((wait) => {
      const gone = contains(path, wait.requirement.path);
      if (gone) wait.to = at;
      return !gone;
    });
  }

  start(event: Event, type: string, parentPath: string): Execution {
    const again = this.open.get(event.path);
    if (again) {
      again.mark = "";
      again.type = type;
      again.startedAt = event.time_ms;
      return again;
    }
    const parent = this.open.get(parentPath) ?? null;
    const execution: Execution = {
      path: event.path, name: nameOf(event.path), type, parent, children: [], status: "running",
      executorType: null, executor: null, attempts: 0, startedAt: event.time_ms, endedAt: null,
      output: null, error: null, exhausted: false, order: null, began: null, done: null, runs: NONE, spans: NONE,
      retries: NONE, call: null, outcome: null, partial: "", reasoning: "", progress: "", logs: NONE,
      cost: nothing(), before: {}, usage: {}, first: event.sequence, last: event.sequence, mark: "",
    };
    this.executions.push(execution);
    if (type === "ToolCall") this.calls += 1;
    parent?.children.push(execution);
    this.open.set(event.path, execution);
    return execution;
  }

  private stepStarted(event: Event): void {
    const step = this.start(event, "Step", parentOf(event.path) ?? "");
    step.executorType = event["executor_type"] as string;
    step.executor = event["executor_name"] as string;
    step.attempts = 1;
    this.steps += 1;
  }

  private containerStarted(event: Event, type: string): void {
    const parent = type === "Undo" ? "" : (parentOf(event.path) ?? "");
    const execution = this.start(event, type, parent);
    if (type === "Parallel") execution.order = event["branches"] as string[];
    execution.began = event;
    if (isAfter(type)) this.withdraw(type === "Undo" ? "" : parent, event.time_ms);
  }

  private containerEnded(event: Event): void {
    const execution = this.finish(event, event["status"] as StepStatus);
    if (!execution) return;
    if (execution.type === "Loop" && event["exhausted"] === true) execution.exhausted = true;
    if (event["error"]) execution.error = event["error"] as ErrorData;
    execution.done = event;
  }

  private stepEnded(event: Event): void {
    const status = ({ StepCompleted: "completed", StepError: "failed", StepSkipped: "skipped" } as
      { [kind: string]: StepStatus })[event.event] ?? "cancelled";
    const step = this.finish(event, status);
    if (!step) return;
    if (status === "completed") {
      step.output = event["output"] as StepOutput;
      this.patch(step.output.patches);
    } else if (status === "cancelled") {
      step.output = { content: (event["partial"] as Json) ?? null };
    } else {
      step.error = event["error"] as ErrorData;
      step.attempts = event["attempts"] as number;
    }
  }

  private retrying(event: Event): void {
    this.stopCalls(event);
    const step = this.open.get(event.path);
    this.retryCount += 1;
    if (!step) return;
    step.attempts = (event["attempt"] as number) + 1;
    step.partial = step.reasoning = "";
    step.before = plus(step.before, step.usage);
    step.usage = {};
    step.retries = pushed(step.retries, { attempt: event["attempt"] as number, at: event.time_ms,
      delay: event["delay_ms"] as number, error: event["error"] as ErrorData });
  }

  /** Closes the calls inside a step, which ended before them. */
  private stopCalls(event: Event): void {
    if (this.calls === 0) return;
    for (const call of [...this.open.values()]) {
      if (call.type === "ToolCall" && call.path !== event.path && contains(event.path, call.path)) {
        call.status = "cancelled";
        call.endedAt = event.time_ms;
        this.open.delete(call.path);
        this.calls -= 1;
      }
    }
  }

  finish(event: Event, status: StepStatus): Execution | null {
    this.stopCalls(event);
    const execution = this.open.get(event.path);
    if (!execution) return null;
    this.open.delete(event.path);
    if (execution.type === "ToolCall") this.calls -= 1;
    this.withdraw(event.path, event.time_ms);
    execution.status = status;
    execution.endedAt = event.time_ms;
    execution.partial = "";
    return execution;
  }

  private delta(event: Event): void {
    const at = this.open.get(event.path);
    if (!at) return;
    switch (event.event) {
      case "RunContent": {
        const span = at.spans.at(-1);
        if (span && span.to === null && span.firstText === null) span.firstText = event.time_ms;
        at.partial += event["content"] as string;
        return;
      }
      case "ReasoningContentDelta":
        at.reasoning += event["reasoning_content"] as string;
        return;
      case "StepProgress":
        at.progress = String(event["message"] ?? event["text"] ?? "");
        return;
      case "CustomEvent":
        at.logs = pushed(at.logs, { at: event.time_ms, name: event["name"] as string,
          data: event["data"] as Json });
        return;
    }
  }

  patch(patches: Patch[] | undefined): void {
    for (const patch of patches ?? []) {
      // A new object each time, so that views of earlier states stay as they were.
      this.state = applyPatch(this.state, patch);
    }
  }

  /** A fold of its own in the same state. */
  copy(): Fold {
    const copy = Object.assign(new Fold(), this);
    const copies = new Map<Execution, Execution>();
    copy.executions = this.executions.map((step) => {
      const own = { ...step, children: [], cost: { ...step.cost } } as Execution;
      if (step.runs.length > 0) own.runs = step.runs.map((run) => ({ ...run, turns: [...run.turns] }));
      if (step.spans.length > 0) own.spans = step.spans.map((span) => ({ ...span }));
      if (step.retries.length > 0) own.retries = [...step.retries];
      if (step.logs.length > 0) own.logs = [...step.logs];
      own.parent = step.parent && copies.get(step.parent)!;
      own.parent?.children.push(own);
      copies.set(step, own);
      return own;
    });
    copy.open = new Map([...this.open].map(([path, step]) => [path, copies.get(step)!]));
    copy.waits = this.waits.map((wait) => ({ ...wait }));
    copy.pending = this.pending.map((wait) => copy.waits[this.waits.indexOf(wait)]!);
    copy.pauses = this.pauses.map((pause) => ({ ...pause }));
    copy.warnings = [...this.warnings];
    copy.cost = { ...this.cost };
    return copy;
  }

  usage(): Usage {
    const sum = { ...this.decided };
    for (const step of this.executions) {
      add(sum, step.before);
      add(sum, step.output?.usage ? atLeast(step.usage, step.output.usage) : step.usage);
    }
    return this.shared ? since(sum, this.shared) : sum;
  }

  /** The executions that still count and are not inside another one. */
  roots(): Execution[] {
    return inOrder(this.executions.filter((step) => !step.parent && step.mark !== "gone"), null);
  }
}

function applyPatch(state: Members, patch: Patch): Members {
  const next = { ...state };
  const old = next[patch.key];
  switch (patch.op) {
    case "init":
      if (!(patch.key in next) && patch.value != null) next[patch.key] = patch.value;
      break;
    case "set":
      if (patch.value === null || patch.value === undefined) delete next[patch.key];
      else next[patch.key] = patch.value;
      break;
    case "append":
      next[patch.key] = [...(Array.isArray(old) ? old : []), patch.value ?? null];
      break;
    case "merge":
      next[patch.key] = merged((old ?? {}) as Members, (patch.value ?? {}) as Members);
      break;
    case "increment":
      next[patch.key] = ((old as number | undefined) ?? 0) + (patch.by ?? 0);
      break;
  }
  return next;
}

const isObject = (value: unknown): value is Members =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function merged(into: Members, from: Members): Members {
  const sum = { ...into };
  for (const [key, value] of Object.entries(from)) {
    const old = sum[key];
    sum[key] = isObject(old) && isObject(value) ? merged(old, value) : value;
  }
  return sum;
}
