// What begins runs without a person: schedules with their times, and webhooks.

import { signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { api, type Schedule, type Webhook } from "../api";
import { clock } from "../clock";
import { ago, exact, moment } from "../format";
import { go, href } from "../router";
import { Dialog } from "../ui/dialog";
import { Icon, Mark } from "../ui/icons";
import { attempt, explain } from "../ui/toast";
import { CopyButton } from "../ui/value";

const REFRESH_MS = 5000;

const schedules = signal<Schedule[] | null>(null);
const webhooks = signal<Webhook[] | null>(null);
const problem = signal<string | null>(null);

async function refresh(): Promise<void> {
  if (document.hidden) return;
  try {
    [schedules.value, webhooks.value] = await Promise.all([api.schedules(), api.webhooks()]);
    problem.value = null;
  } catch (error) {
    problem.value = explain(error);
  }
}

export function SchedulesPage(): JSX.Element {
  useEffect(() => {
    void refresh();
    const timer = setInterval(() => void refresh(), REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  const [times, hooks] = [schedules.value, webhooks.value];
  const none = times?.length === 0 && hooks?.length === 0;
  return (
    <main class="page" aria-busy={(times === null && problem.value === null) || undefined}>
      <div class="page-head"><h1>Schedules</h1></div>
      {problem.value && <p class="banner failed" role="alert">{problem.value}</p>}
      {none && <div class="empty"><Icon name="clock" size={28} /><h2>Nothing begins by itself</h2>
        <p>A workflow file says when its runs begin: <code>on: {"{schedule: {cron: 0 9 * * mon-fri}}"}</code></p>
        <p>A key that sees one user only sees no schedules.</p></div>}
      {times && times.length > 0 && <ul class="cards wide">{times.map((schedule) => (
        <li key={schedule.id} class="card"><OneSchedule schedule={schedule} /></li>
      ))}</ul>}
      {hooks && hooks.length > 0 && <section class="column-gap" aria-labelledby="webhooks"><h2 id="webhooks">Webhooks</h2>
        <ul class="cards wide">{hooks.map((webhook) => (
          <li key={webhook.id} class="card"><OneWebhook webhook={webhook} /></li>
        ))}</ul></section>}
    </main>
  );
}

/** A text in which backticks mark code. */
const marked = (text: string): (JSX.Element | string)[] =>
  text.split("`").map((part, at) => (at % 2 === 1 ? <code>{part}</code> : part));

function Moment({ at }: { at: number }): JSX.Element {
  return <time dateTime={new Date(at).toISOString()} title={exact(at)}>{moment(at)}</time>;
}

function OneSchedule({ schedule }: { schedule: Schedule }): JSX.Element {
  const { id, workflow_id, timetable, paused, next, last } = schedule;
  const busy = useSignal(false);
  const now = clock.value;
  const act = async (work: () => Promise<unknown>, done: string): Promise<void> => {
    busy.value = true;
    await attempt(work, done);
    busy.value = false;
  };
  const turn = async (): Promise<void> => {
    const changed = await (paused ? api.resumeSchedule(id) : api.pauseSchedule(id));
    schedules.value = (schedules.value ?? []).map((other) => (other.id === id ? changed : other));
  };
  const [first, ...later] = next;
  return (
    <>
      <div class="card-head"><h2 class="grow">{id}</h2>
        <span class={`pill ${paused ? "paused" : "completed"}`}><Mark tone={paused ? "paused" : "completed"} />
          {paused ? "Paused" : "Active"}</span></div>
      <p>{marked(timetable)}</p>
      <dl class="firings">
        <dt>Next</dt><dd>{first === undefined ? (paused ? "Its times pass without runs" : "None")
          : <><Moment at={first} /> <span class="quiet">{ago(first, now)}</span></>}
          {later.length > 0 && <details><summary>then</summary>
            <ol>{later.map((at) => <li><Moment at={at} /></li>)}</ol></details>}</dd>
        <dt>Last</dt><dd>{last === null ? <span class="quiet">Not yet</span> : <>
          <Moment at={last.at} /> <span class="quiet">{ago(last.at, now)}</span>
          {last.run_id !== null && <> <a href={href(["runs", last.run_id])}>its run</a></>}
          {last.note !== null && <div class="warn-text">{marked(last.note)}</div>}</>}</dd>
      </dl>
      <p class="row">
        <button disabled={busy.value} aria-label={`${paused ? "Resume" : "Pause"} ${id}`}
          onClick={() => void act(turn, paused ? "Resumed" : "Paused")}>
          <Icon name={paused ? "play" : "pause"} size={14} /> {paused ? "Resume" : "Pause"}</button>
        <button disabled={busy.value} aria-label={`Run now: ${id}`}
          onClick={() => void act(async () => go(href(["runs", (await api.runSchedule(id)).run_id])), "Begun")}>
          <Icon name="clock" size={14} /> Run now</button>
        <a class="button ghost" href={href(["runs"], { q: `${id}.` })} aria-label={`Runs at its times: ${id}`}>Runs at its times</a>
        <a class="button ghost" href={href(["workflows", workflow_id])} aria-label={`Its workflow: ${id}`}>Its workflow</a>
      </p>
    </>
  );
}

function OneWebhook({ webhook: { id, workflow_id, created_at } }: { webhook: Webhook }): JSX.Element {
  const sure = useSignal(false);
  const busy = useSignal(false);
  const address = useSignal<string | null>(null);
  const renew = async (): Promise<void> => {
    busy.value = true;
    await attempt(async () => {
      const { path } = await api.renewToken(id);
      address.value = new URL(path, location.href).href;
      void refresh();
    });
    busy.value = sure.value = false;
  };
  return (
    <>
      <h3>{id}</h3>
      <p>Its address was made <time dateTime={new Date(created_at).toISOString()} title={exact(created_at)}>
        {ago(created_at, clock.value)}</time>.</p>
      <p class="row">
        {sure.value ? (
          <span class="row confirm" role="group" aria-label={`Make a new address of ${id}?`}>
            <button class="danger" disabled={busy.value} onClick={() => void renew()}>Yes, refuse the one of now</button>
            <button onClick={() => (sure.value = false)}>Keep it</button>
          </span>
        ) : <button aria-label={`New address of ${id}`} onClick={() => (sure.value = true)}>
          <Icon name="retry" size={14} /> New address</button>}
        <a class="button ghost" href={href(["workflows", workflow_id])} aria-label={`Its workflow: ${id}`}>Its workflow</a>
      </p>
      {address.value !== null && (
        <Dialog title={`The new address of ${id}`} close={() => (address.value = null)}>
          <div class="form">
            <p>Copy it now: it is shown only once. The one before is refused from now on.</p>
            <p class="shown row"><code class="grow">{address.value}</code><CopyButton value={address.value} what="the address" /></p>
            <p class="hint">Its token is the key to it. If the service reaches this server under another name, put that name
              in place of <code>{location.host}</code>.</p>
          </div>
        </Dialog>
      )}
    </>
  );
}
