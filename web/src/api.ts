// Requests to `/v1` of the server that served this page, and to nothing else.

import { signal } from "@preact/signals";
import {
  requirementOf, type AskedRequest, type Event, type InboxEntry, type Json, type Plan, type RunOutput,
  type RunRow, type Workflow,
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

async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const response = await asked(path, init);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

const post = <T>(path: string, body: unknown = {}): Promise<T> =>
  ask<T>(path, { method: "POST", body: JSON.stringify(body) });

const of = (id: string): string => `runs/${encodeURIComponent(id)}`;

export interface RunFilter {
  status?: string;
  workflow?: string;
  session?: string;
  user?: string;
  q?: string;
  limit?: number;
  cursor?: string;
}

export interface RunDetail {
  run: RunRow;
  output?: RunOutput | null;
  requests?: AskedRequest[];
  plan?: Plan | null;
}

export interface Began {
  run_id: string;
  session_id: string;
  status?: string;
}

function search(query: { [name: string]: string | number | undefined }): string {
  const found = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return new URLSearchParams(found.map(([name, value]) => [name, String(value)])).toString();
}

const listOf = <T>(answer: unknown, name: string): T[] =>
  Array.isArray(answer) ? (answer as T[])
    : ((answer as { [field: string]: T[] | undefined })[name] ?? []);

export const api = {
  workflows: async () => listOf<Workflow>(await ask("workflows"), "workflows"),
  workflow: (id: string) => ask<Workflow>(`workflows/${encodeURIComponent(id)}`),
  start: (workflow: string, body: { input: Json; session_id?: string; user_id?: string }) =>
    post<Began>(`workflows/${encodeURIComponent(workflow)}/runs`, body),
  runs: (filter: RunFilter) =>
    ask<{ runs: RunRow[]; next?: string | null }>(`runs?${search({ ...filter })}`),
  run: (id: string) => ask<RunDetail>(of(id)),
  events: (id: string, after?: number) =>
    ask<{ events: Event[]; next?: number | null }>(
      `${of(id)}/events?${search({ after })}`),
  media: async (id: string, sha256: string, signal: AbortSignal) =>
    (await asked(`${of(id)}/media/${sha256}`, { signal })).blob(),
  answer: (id: string, answers: Json) => post(`${of(id)}/answers`, { answers }),
  cancel: (id: string) => post(`${of(id)}/cancel`),
  resume: (id: string) => post<Began>(`${of(id)}/resume`),
  retry: (id: string) => post<Began>(`${of(id)}/retry`),
  rerun: (id: string, from: string) => post<Began>(`${of(id)}/rerun`, { from }),
  fork: (id: string, change: { at: string; set?: Json; model?: string; prompt?: string }) =>
    post<Began>(`${of(id)}/fork`, change),
  message: (id: string, text: string, mode: string) => post(`${of(id)}/messages`, { text, mode }),
  inbox: async (): Promise<InboxEntry[]> => {
    const found = listOf<{ run: RunRow; request: AskedRequest }>(await ask("inbox"), "requests");
    return found.map(({ run, request }) => ({ run, requirement: requirementOf(request) }));
  },
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
      const response = await fetch(`${base()}${of(id)}/events`,
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
