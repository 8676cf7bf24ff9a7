// Requests to `/v1` of the server that served this page, and to nothing else.

import { signal } from "@preact/signals";
import type { Operations, Schemas } from "./api-types";
import {
  requirementOf, type AskedRequest, type Event, type InboxEntry, type Json, type Refined, type RunDetail, type RunRow,
  type Workflow,
} from "./model/types";

/** The key with which the page presents itself, if the server asks for one. */
export const needsKey = signal(false);
const KEY = "stepwright-key";

export function setKey(key: string): void {
  sessionStorage.setItem(KEY, key);
  needsKey.value = false;
  dispatchEvent(new CustomEvent("stepwright-key"));
}

/** An answer of the server that is a failure, as problem details. */
export class Problem extends Error {
  constructor(readonly status: number, title: string, readonly detail: string | null,
    readonly code: string | null, readonly help: string | null) {
    super(title);
  }
}

const base = (): string => new URL("v1/", document.baseURI.replace(/[#?].*$/, "")).href;

function headers(more: { [name: string]: string } = {}): { [name: string]: string } {
  const key = sessionStorage.getItem(KEY);
  return key ? { ...more, authorization: `Bearer ${key}` } : more;
}

async function problem(response: Response): Promise<Problem> {
  if (response.status === 401) needsKey.value = true;
  let told: { [field: string]: unknown } = {};
  try {
    told = (await response.json()) as { [field: string]: unknown };
  } catch {
    // Without a body, the status says what there is to say.
  }
  const text = (name: string): string | null =>
    typeof told[name] === "string" ? (told[name] as string) : null;
  const title = text("title") ?? text("error") ?? `${response.status} ${response.statusText}`;
  return new Problem(response.status, title, text("detail"), text("code"),
    text("help") ?? text("hint"));
}

async function asked(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(base() + path, { ...init, headers: headers(init.body
      ? { "content-type": "application/json" } : {}) });
  } catch {
    throw new Problem(0, "The server cannot be reached", null, null,
      "check that `stepwright serve` is running");
  }
  if (!response.ok) throw await problem(response);
  return response;
}

type Operation = keyof Operations;
type Answer<O extends Operation> = Operations[O]["answer"];
type Given<O extends Operation> = Omit<Operations[O], "answer">;
type Parts = { path?: { [name: string]: string }; query?: object; body?: unknown };

/** Does an operation of the OpenAPI document, which says what it needs and answers. */
async function call<O extends Operation>(operation: O, given: Given<O>): Promise<Answer<O>> {
  const { path = {}, query = {}, body } = given as Parts;
  const [method, template] = operation.split(" ") as [string, string];
  const at = template.slice("/v1/".length)
    .replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name]!));
  const text = search(query);
  const response = await asked(text ? `${at}?${text}` : at,
    { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  return (await response.json()) as Answer<O>;
}

function search(query: object): string {
  const found = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return new URLSearchParams(found.map(([name, value]) => [name, String(value)])).toString();
}

export type RunFilter = Operations["GET /v1/runs"]["query"];
export type Began = Schemas["Accepted"];
export type Schedule = Schemas["Schedule"];
export type Webhook = Schemas["Webhook"];
export type ApiKey = Schemas["Key"];
export type MadeKey = Schemas["MadeKey"];
type NewRun = Refined<Schemas["NewRun"], { input: Json }>;

// Where the document has any JSON, the answer is read as what the model of the page says of it.
export const api = {
  workflows: async () => (await call("GET /v1/workflows", {})).workflows as Workflow[],
  workflow: async (id: string) => (await call("GET /v1/workflows/{id}", { path: { id } })) as Workflow,
  start: (id: string, body: NewRun) => call("POST /v1/workflows/{id}/runs", { path: { id }, body }),
  runs: async (query: RunFilter) =>
    (await call("GET /v1/runs", { query })) as { runs: RunRow[]; next: string | null },
  run: async (id: string) => (await call("GET /v1/runs/{id}", { path: { id } })) as RunDetail,
  events: async (id: string, after?: number) =>
    (await call("GET /v1/runs/{id}/events", { path: { id }, query: after === undefined ? {} : { after } })) as
      { events: Event[]; next: number | null },
  media: async (id: string, sha256: string, signal: AbortSignal) =>
    (await asked(`runs/${encodeURIComponent(id)}/media/${sha256}`, { signal })).blob(),
  answer: (id: string, answers: Json) => call("POST /v1/runs/{id}/answers", { path: { id }, body: { answers } }),
  cancel: (id: string) => call("POST /v1/runs/{id}/cancel", { path: { id } }),
  resume: (id: string) => call("POST /v1/runs/{id}/resume", { path: { id } }),
  retry: (id: string) => call("POST /v1/runs/{id}/retry", { path: { id } }),
  rerun: (id: string, from: string) => call("POST /v1/runs/{id}/rerun", { path: { id }, body: { from } }),
  fork: (id: string, body: Schemas["NewFork"]) => call("POST /v1/runs/{id}/fork", { path: { id }, body }),
  message: (id: string, text: string, mode: string) =>
    call("POST /v1/runs/{id}/messages", { path: { id }, body: { text, mode } }),
  inbox: async (): Promise<InboxEntry[]> => {
    const { requests } = await call("GET /v1/inbox", {});
    return requests.map(({ run, request }) =>
      ({ run: run as RunRow, requirement: requirementOf(request as AskedRequest) }));
  },
  schedules: async () => (await call("GET /v1/schedules", {})).schedules,
  pauseSchedule: (id: string) => call("POST /v1/schedules/{id}/pause", { path: { id } }),
  resumeSchedule: (id: string) => call("POST /v1/schedules/{id}/resume", { path: { id } }),
  runSchedule: (id: string) => call("POST /v1/schedules/{id}/run", { path: { id } }),
  webhooks: async () => (await call("GET /v1/webhooks", {})).webhooks,
  keys: async () => (await call("GET /v1/keys", {})).keys,
  createKey: (body: Schemas["NewKey"]) => call("POST /v1/keys", { body }),
  revokeKey: (id: string) => call("DELETE /v1/keys/{id}", { path: { id } }),
  renewToken: (id: string) => call("POST /v1/webhooks/{id}/token", { path: { id } }),
};

/**
 * Reads the live stream of a run from after this fact, until the run has ended or `signal` aborts.
 * A connection that breaks is made anew from the last fact.
 */
export async function follow(id: string, after: number, take: (event: Event) => void,
  state: (connected: boolean) => void, abort: AbortSignal): Promise<void> {
  let last = after;
  let wait = 500;
  while (!abort.aborted) {
    try {
      const more: { [name: string]: string } = { accept: "text/event-stream" };
      if (last >= 0) more["last-event-id"] = String(last);
      const response = await fetch(`${base()}runs/${encodeURIComponent(id)}/events`,
        { headers: headers(more), signal: abort });
      if (response.status === 204) return;
      if (!response.ok || !response.body) throw await problem(response);
      state(true);
      for await (const message of messages(response.body)) {
        wait = 500;
        const event = JSON.parse(message) as Event;
        if (event.delta === undefined) last = event.sequence;
        take(event);
      }
    } catch (error) {
      if (abort.aborted) return;
      if (error instanceof Problem && error.status >= 400 && error.status < 500) throw error;
    }
    state(false);
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * 2, 10_000);
  }
}

/** The data of the messages of a stream of server-sent events. */
export async function* messages(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let data: string[] = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (data.length > 0) yield data.join("\n");
        data = [];
      } else if (line.startsWith("data:")) {
        data.push(line.slice(line[5] === " " ? 6 : 5));
      }
    }
  }
}
