// The shapes of the event stream, as `docs/events.md` describes them: only the fields that the viewer
// reads. Those of `/v1` are from its OpenAPI document, with what that document has as any JSON.

import type { Schemas } from "../api-types";

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Members = { [key: string]: Json };

export type RunStatus = "PENDING" | "RUNNING" | "PAUSED" | "COMPLETED" | "CANCELLED" | "ERROR";
export type StepStatus = "running" | "completed" | "failed" | "skipped" | "cancelled";

export interface Usage {
  input_tokens?: number;
  output_tokens?: number;
  cache_read_tokens?: number;
  cache_write_tokens?: number;
  reasoning_tokens?: number;
  image_tokens?: number;
}

export interface Cost {
  usd: number;
  unpriced_requests?: number;
}

export interface ErrorData {
  code: string;
  id?: string;
  message: string;
  retryable?: boolean;
  causes?: string[];
  retry_after_ms?: number;
  hint?: string;
}

export interface Requirement {
  id: string;
  path: string;
  requires: string;
  message?: string;
  due?: number;
  on_timeout?: Json;
  schema?: Schema;
  choices?: string[];
  multiple?: boolean;
  output?: StepOutput;
  attempts?: number;
  retries?: boolean;
  content?: Json;
  iteration?: number;
  max_iterations?: number;
  tool?: Json;
  arguments?: Json;
  error?: ErrorData;
  effect?: string;
  rule?: string;
  for_run?: boolean;
  name?: string;
  key?: string;
  match?: Json;
  scope?: string;
  of_session?: boolean;
  limit?: string;
  used?: number;
  of?: number;
}

/** A type of the document, with the members that it leaves open. */
export type Refined<S, R> = Omit<S, keyof R> & R;

/** A pending request as `/v1` shows it. */
export type AskedRequest = Refined<Schemas["Request"], { form: Schema | null; detail: Members }>;

/** A pending request with the run that it belongs to. */
export interface InboxEntry {
  run: RunRow;
  requirement: Requirement;
}

/** The form of an event for a request of `/v1`. */
export function requirementOf(asked: AskedRequest): Requirement {
  const { id, path, kind, message, deadline, form, choices, multiple, detail } = asked;
  const of: Requirement = { ...(detail as unknown as Partial<Requirement>), id, path, requires: kind };
  if (message) of.message = message;
  if (deadline) of.due = deadline;
  if (form) of.schema = form;
  if (choices) of.choices = choices;
  if (multiple) of.multiple = multiple;
  return of;
}

export interface Patch {
  op: string;
  key: string;
  value?: Json;
  by?: number;
}

export interface StepOutput {
  content?: Json;
  media?: Medium[];
  patches?: Patch[];
  stop?: boolean;
  usage?: Usage;
  files?: { path: string; bytes: number; sha256: string }[];
}

export interface Medium {
  kind: string;
  source: { url?: string; path?: string; bytes?: string; stored?: { sha256: string; bytes: number } };
  mime?: string;
  name?: string;
}

export interface Part {
  type: string;
  text?: string;
  id?: string;
  name?: string;
  arguments?: { json?: Json; invalid?: string };
  media?: Medium;
}

export interface ToolOutcome {
  call_id: string;
  name: string;
  text: string;
  is_error: boolean;
  media?: Medium[];
  whole?: string;
}

export interface Message {
  id: string;
  text: string;
  mode: string;
  by?: string;
}

/** An event. The fields beside the first six depend on its kind. */
export interface Event {
  sequence: number;
  delta?: number;
  time_ms: number;
  run_id: string;
  path: string;
  event: string;
  [field: string]: unknown;
}

export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: Json;
  enum?: Json[];
  const?: Json;
  properties?: { [name: string]: Schema };
  required?: string[];
  items?: Schema;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  format?: string;
}

export type NodeKind = { [kind: string]: { [field: string]: unknown } };

export interface PlanNode {
  index?: number;
  name: string;
  kind: NodeKind;
  after?: PlanNode[];
  budgets?: Members[];
  content?: Members;
}

export interface Plan {
  name: string;
  body: PlanNode[];
  after?: PlanNode[];
  budget?: Members;
  content?: Members;
}

export type Workflow = Refined<Schemas["Workflow"], { plan?: Plan | null; input_schema: Schema | null }>;

/** What the events of a run fold into, as far as lists show it. */
export interface RunOutput {
  input?: Json;
  content?: Json;
  metrics?: { duration_ms?: number; usage?: Usage; cost?: Cost };
  error?: { error?: ErrorData } | null;
}

export type RunRow = Refined<Schemas["Run"], { status: RunStatus; origin: { run: string } | null }>;

export type RunDetail = Refined<Schemas["WholeRun"], { run: RunRow; output: RunOutput; requests: AskedRequest[];
  plan: Plan | null }>;
