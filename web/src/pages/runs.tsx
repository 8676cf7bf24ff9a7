// The list of runs. Filters are in the address, rows come in pages, and the newest are refreshed.

import { computed, signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { api, type RunFilter } from "../api";
import { clock } from "../clock";
import { failureOf } from "../failures";
import { ago, costOf, duration, exact, excerpt, tokensOf } from "../format";
import { isForField } from "../keys";
import type { RunRow, RunStatus } from "../model/types";
import { go, href, route, setQuery } from "../router";
import { Icon, Mark, StatusPill, toneOf, wordOf } from "../ui/icons";
import { explain } from "../ui/toast";
import { VirtualList } from "../ui/virtual";

const PAGE = 200;
const FRESH = 100;
const REFRESH_MS = 3000;
const STATUSES: RunStatus[] = ["RUNNING", "PAUSED", "PENDING", "COMPLETED", "ERROR", "CANCELLED"];
const HEIGHT = 44;

const rows = signal<RunRow[]>([]);
const next = signal<string | null>(null);
const loading = signal(true);
const problem = signal<string | null>(null);
const chosen = signal(-1);
let shownFor = "";
let asked = 0;

const filter = computed<RunFilter>(() => {
  const { query } = route.value;
  const found: RunFilter = {};
  for (const name of ["status", "workflow", "session", "user", "q"] as const) {
    const value = query.get(name);
    if (value) found[name] = value;
  }
  return found;
});

async function load(first: boolean): Promise<void> {
  const wanted = JSON.stringify(filter.value);
  if (!first && (next.value === null || loading.value)) return;
  const mine = (asked += 1);
  loading.value = true;
  try {
    const page = await api.runs({ ...filter.value, limit: PAGE,
      ...(first || next.value === null ? {} : { cursor: next.value }) });
    if (mine !== asked) return;
    rows.value = first ? page.runs : rows.value.concat(page.runs);
    next.value = page.next ?? null;
    problem.value = null;
    shownFor = wanted;
  } catch (error) {
    if (mine === asked) problem.value = explain(error);
  } finally {
    if (mine === asked) loading.value = false;
  }
}

/** Takes the newest runs in, and leaves the rest as it is. */
async function refresh(): Promise<void> {
  const wanted = JSON.stringify(filter.value);
  if (document.hidden || loading.value || wanted !== shownFor) return;
  try {
    const fresh = (await api.runs({ ...filter.value, limit: FRESH })).runs;
    if (wanted !== JSON.stringify(filter.value) || loading.value) return;
    const ids = new Set(fresh.map((row) => row.run_id));
    const oldest = fresh.at(-1)?.created_at ?? Infinity;
    // What is gone from the newest part no longer fits the filter.
    const rest = fresh.length < FRESH ? []
      : rows.value.filter((row) => !ids.has(row.run_id) && row.created_at <= oldest);
    rows.value = [...fresh, ...rest];
    problem.value = null;
  } catch (error) {
    problem.value = explain(error);
  }
}

const durationOf = (row: RunRow, now: number): number =>
  Math.max((row.status === "RUNNING" ? now : row.updated_at) - row.created_at, 0);

export function RunsPage(): JSX.Element {
  const wanted = JSON.stringify(filter.value);
  useEffect(() => {
    chosen.value = -1;
    void load(true);
  }, [wanted]);
  useEffect(() => {
    const timer = setInterval(() => void refresh(), REFRESH_MS);
    const pressed = (key: KeyboardEvent): void => {
      if (isForField(key)) return;
      const at = chosen.value;
      if (key.key === "j") chosen.value = Math.min(at + 1, rows.value.length - 1);
      else if (key.key === "k") chosen.value = Math.max(at - 1, 0);
      else if (key.key === "Enter" && at >= 0 && !(key.target instanceof HTMLAnchorElement)
        && !(key.target instanceof HTMLButtonElement)) go(href(["runs", rows.value[at]!.run_id]));
      else if (key.key === "/") document.querySelector<HTMLInputElement>("#search")?.focus();
      else return;
      key.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => {
      clearInterval(timer);
      removeEventListener("keydown", pressed);
    };
  }, []);
  const now = clock.value;
  return (
    <main class="page runs-page">
      <div class="page-head">
        <h1>Runs</h1>
        <a class="button primary" href="#/workflows"><Icon name="play" size={14} /> Start a run</a>
      </div>
      <Filters />
      {problem.value && <p class="banner failed" role="alert">{problem.value}</p>}
      {rows.value.length === 0 && !loading.value && !problem.value ? <Empty filtered={wanted !== "{}"} /> : (
        <VirtualList count={rows.value.length} height={HEIGHT} label="Runs" class="run-rows" show={chosen.value}
          end={() => void load(false)}
          header={<div class="run-row run-row-head" aria-hidden="true"><span>Status</span><span>Run</span><span>Input</span>
            <span class="num">Took</span><span class="num">Tokens</span><span class="num">Cost</span><span class="num">Began</span></div>}
          row={(at) => <Row row={rows.value[at]!} now={now} chosen={at === chosen.value} />} />
      )}
      <p class="sr-only" role="status">{loading.value ? "Loading" : `${rows.value.length} runs`}</p>
    </main>
  );
}

function Row({ row, now, chosen: isChosen }: { row: RunRow; now: number; chosen: boolean }): JSX.Element {
  const error = failureOf(row);
  return (
    <a class={`run-row${isChosen ? " selected" : ""}`} href={href(["runs", row.run_id])}>
      <span class="cell-status"><StatusPill status={row.status} /></span>
      <span class="cell-run"><strong>{row.workflow_id}</strong><code>{row.run_id}</code></span>
      <span class="cell-input">{error ? <span class="error-text">{excerpt(error, 90)}</span>
        : excerpt(row.input ?? "", 90)}</span>
      <span class="num cell-took">{duration(durationOf(row, now))}</span>
      <span class="num cell-tokens">{tokensOf(row)}</span>
      <span class="num cell-cost">{costOf(row)}</span>
      <time class="num cell-began" dateTime={new Date(row.created_at).toISOString()} title={exact(row.created_at)}>{ago(row.created_at, now)}</time>
    </a>
  );
}

let typing: ReturnType<typeof setTimeout> | undefined;

function Filters(): JSX.Element {
  const now = filter.value;
  const others = (["workflow", "session", "user"] as const).filter((name) => now[name]);
  return (
    <div class="filters" role="search">
      <div class="search-box"><Icon name="search" size={14} />
        <input id="search" type="search" placeholder="Search by run, workflow, session or user" aria-label="Search runs" value={now.q ?? ""}
          onInput={(event) => {
            const text = event.currentTarget.value;
            clearTimeout(typing);
            typing = setTimeout(() => setQuery({ q: text }), 250);
          }} /></div>
      <div class="chips" role="group" aria-label="Status">
        {STATUSES.map((status) => (
          <button class="chip" aria-pressed={now.status === status}
            onClick={() => setQuery({ status: now.status === status ? null : status })}>
            <Mark tone={toneOf(status)} />{wordOf(status)}</button>
        ))}
      </div>
      {others.map((name) => (
        <button class="chip on" onClick={() => setQuery({ [name]: null })} aria-label={`Remove the filter ${name} ${now[name]}`}>
          {name}: {now[name]} <Icon name="close" size={12} /></button>
      ))}
    </div>
  );
}

function Empty({ filtered }: { filtered: boolean }): JSX.Element {
  return filtered ? (
    <div class="empty"><Icon name="search" size={28} /><h2>No run fits these filters</h2>
      <button onClick={() => go("#/runs")}>Show all runs</button></div>
  ) : (
    <div class="empty"><Icon name="runs" size={28} /><h2>No runs yet</h2>
      <p>Start one here, or at the terminal: <code>stepwright run FILE</code></p>
      <a class="button primary" href="#/workflows">Choose a workflow</a></div>
  );
}
