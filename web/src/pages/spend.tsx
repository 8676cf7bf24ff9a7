// What runs cost by day and by workflow, and the budgets that limit it. The sums are made of the list of
// runs, page by page.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { api } from "../api";
import { count, date, money, plural, short } from "../format";
import { budgetsOf, type Limited } from "../model/budget";
import { daysUntil, Spend, type Sum } from "../model/spend";
import { href, route, setQuery } from "../router";
import { Request } from "../run/requests";
import { Icon } from "../ui/icons";
import { explain } from "../ui/toast";
import { entries, refreshInbox } from "./inbox";

const PAGE = 200;
const RUNS_MAX = 10_000;
const SPANS = [7, 30, 90];
const SPAN = 30;
const PLANS_AT_ONCE = 4;
const PLANS_MAX = 100;

interface Read {
  spend: Spend;
  days: number[];
  /** False while pages are read. */
  done: boolean;
  /** The begin of the oldest run that was read, if older ones are left out. */
  cut: number | null;
}

interface Of {
  workflow: string;
  name: string;
  budgets: Limited[];
}

const read = signal<Read | null>(null);
const problem = signal<string | null>(null);
const budgets = signal<Of[] | null>(null);
let reading = 0;

/** Reads runs, the newest first, until they are older than the days. */
async function load(span: number): Promise<void> {
  const mine = (reading += 1);
  const days = daysUntil(Date.now(), span);
  const since = days.at(-1)!;
  const spend = new Spend();
  problem.value = null;
  read.value = { spend, days, done: false, cut: null };
  try {
    let cursor: string | undefined;
    for (;;) {
      const page = await api.runs({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
      if (mine !== reading) return;
      const young = page.runs.filter((row) => row.created_at >= since);
      for (const row of young) spend.add(row);
      cursor = page.next ?? undefined;
      const done = cursor === undefined || young.length < page.runs.length;
      const cut = !done && spend.all.runs >= RUNS_MAX;
      read.value = { spend, days, done: done || cut, cut: cut ? page.runs.at(-1)!.created_at : null };
      if (done || cut) return;
    }
  } catch (error) {
    if (mine !== reading) return;
    problem.value = explain(error);
    read.value = { spend, days, done: true, cut: null };
  }
}

async function loadBudgets(): Promise<void> {
  try {
    const all = (await api.workflows()).slice(0, PLANS_MAX);
    const found: Of[] = [];
    for (let at = 0; at < all.length; at += PLANS_AT_ONCE) {
      const some = await Promise.all(all.slice(at, at + PLANS_AT_ONCE).map(({ id }) => api.workflow(id)));
      for (const { id, name, plan } of some) {
        const of = plan ? budgetsOf(plan) : [];
        if (of.length > 0) found.push({ workflow: id, name, budgets: of });
      }
    }
    budgets.value = found;
  } catch (error) {
    problem.value = explain(error);
  }
}

export function SpendPage(): JSX.Element {
  const chosen = Number(route.value.query.get("days"));
  const span = SPANS.includes(chosen) ? chosen : SPAN;
  useEffect(() => {
    void load(span);
    return () => {
      reading += 1;
    };
  }, [span]);
  useEffect(() => {
    void loadBudgets();
    void refreshInbox();
  }, []);
  const found = read.value;
  return (
    <main class="page spend-page" aria-busy={!found?.done || undefined}>
      <div class="page-head"><h1>Spend</h1>
        <div class="chips" role="group" aria-label="Days">{SPANS.map((days) => (
          <button class="chip plain" aria-pressed={span === days} onClick={() => setQuery({ days: days === SPAN ? null : days })}>
            {days} days</button>
        ))}</div></div>
      {problem.value && <p class="banner failed" role="alert">{problem.value}</p>}
      {found && <Totals found={found} />}
      <div class="tables">{found && <Days found={found} />}
        <div class="tables">{found && <Workflows found={found} />}<Budgets /></div></div>
    </main>
  );
}

const costOf = ({ nano, unpriced }: Sum): string => money({ nano, unpriced });
const tokensOf = ({ tokens }: Sum): string => (tokens === 0 ? "–" : short(tokens));

function Totals({ found: { spend: { all }, done, cut } }: { found: Read }): JSX.Element {
  return (
    <>
      <dl class="figures panel flat">
        <div><dt>Cost</dt><dd>{costOf(all)}</dd></div>
        <div><dt>Tokens</dt><dd>{tokensOf(all)}</dd></div>
        <div><dt>Runs</dt><dd>{count(all.runs)}</dd></div>
        <div><dt>Per run</dt><dd>{all.runs === 0 ? "–" : money({ nano: all.nano / all.runs, unpriced: 0 })}</dd></div>
      </dl>
      <p class="quiet" role="status">
        {!done ? `Reading: ${plural(all.runs, "run")} so far…` : <>
          {cut !== null && <strong>Only the newest {count(all.runs)} runs, since {date(cut)}, are counted. </strong>}
          A run counts on the day on which it began.
          {all.unpriced > 0 && ` ${plural(all.unpriced, "run")} used a model without a price: a + stands for them.`}
          {all.unknown > 0 && ` The server cannot tell what ${plural(all.unknown, "run")} used.`}</>}</p>
    </>
  );
}

function Days({ found: { spend, days } }: { found: Read }): JSX.Element {
  const most = Math.max(...[...spend.days.values()].map((sum) => sum.nano), 1);
  // Days before the first run would be empty rows.
  const shown = days.slice(0, Math.max(days.findLastIndex((day) => spend.days.has(day)) + 1, SPANS[0]!));
  return (
    <section class="panel" aria-labelledby="spend-days"><h2 id="spend-days">By day</h2>
      <table class="sums"><thead><tr><th scope="col">Day</th><th scope="col" class="num">Runs</th>
        <th scope="col" class="num">Tokens</th><th scope="col" class="num">Cost</th><td class="bar-cell" /></tr></thead>
        <tbody>{shown.map((day) => {
          const sum = spend.days.get(day);
          return (
            <tr class={sum ? "" : "quiet"}><th scope="row">{date(day)}</th><td class="num">{sum ? count(sum.runs) : "–"}</td>
              <td class="num">{sum ? tokensOf(sum) : "–"}</td><td class="num">{sum ? costOf(sum) : "–"}</td>
              <td class="bar-cell"><i style={{ width: `${(100 * (sum?.nano ?? 0)) / most}%` }} /></td></tr>
          );
        })}</tbody></table></section>
  );
}

function Workflows({ found: { spend, done } }: { found: Read }): JSX.Element {
  const { all } = spend;
  const workflows = [...spend.workflows].sort(([, a], [, b]) => b.nano - a.nano || b.tokens - a.tokens);
  return (
    <section class="panel" aria-labelledby="spend-workflows"><h2 id="spend-workflows">By workflow</h2>
      {workflows.length === 0 ? <p class="quiet">{done ? "No runs in these days." : ""}</p> : (
        <table class="sums"><thead><tr><th scope="col">Workflow</th><th scope="col" class="num">Runs</th>
          <th scope="col" class="num">Tokens</th><th scope="col" class="num">Cost</th><th scope="col" class="num">Share</th></tr></thead>
          <tbody>{workflows.map(([id, sum]) => (
            <tr><th scope="row"><a href={href(["runs"], { workflow: id })}>{id}</a></th><td class="num">{count(sum.runs)}</td>
              <td class="num">{tokensOf(sum)}</td><td class="num">{costOf(sum)}</td>
              <td class="num">{all.nano ? `${Math.round((100 * sum.nano) / all.nano)} %` : "–"}</td></tr>
          ))}</tbody></table>)}</section>
  );
}

function Budgets(): JSX.Element {
  const spent = (entries.value ?? []).filter((entry) => entry.requirement.requires === "budget");
  return (
    <section aria-labelledby="budgets" class="panel"><h2 id="budgets">Budgets</h2>
      {spent.map((entry) => (
        <Request key={`${entry.run.run_id} ${entry.requirement.id}`} run={entry.run.run_id} requirement={entry.requirement}
          from={null} answered={() => void refreshInbox()}
          heading={<a class="strong" href={href(["runs", entry.run.run_id])}>{entry.run.workflow_id}</a>} />
      ))}
      {budgets.value?.length === 0 && <p class="quiet"><Icon name="spend" size={14} /> No workflow has a budget. Set one in its
        file: <code>budget: {"{usd: 1.50, at_limit: pause}"}</code></p>}
      <ul class="column-gap">{budgets.value?.map(({ workflow, name, budgets: of }) => (
        <li><h3><a href={href(["workflows", workflow])}>{name}</a></h3>
          <ul class="limits">{of.map((budget) => (
            <li><span>{whose(budget)}</span> <strong>{budget.limits.join(", ")}</strong> <span class="quiet">{budget.then}</span></li>
          ))}</ul></li>
      ))}</ul>
    </section>
  );
}

function whose({ of, path }: Limited): JSX.Element {
  if (of === "run") return <>Each run:</>;
  if (of === "session") return <>All runs of a session:</>;
  return <>{of === "agent" && "The agent of "}<code>{path}</code>:</>;
}
