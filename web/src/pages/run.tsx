// The page of a run.

import { effect } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { clock } from "../clock";
import { embedded } from "../embedded";
import { duration, exact, moment, money, tokens } from "../format";
import { isForField } from "../keys";
import type { Fold } from "../model/fold";
import { href, route, setQuery } from "../router";
import { ErrorBox, Facts, StepDetail, UsageRows } from "../run/detail";
import { EventDetail, EventList } from "../run/events";
import { Graph } from "../run/graph";
import { Answers, isForPeople, Request } from "../run/requests";
import { MessageBox, RunActions, StepActions } from "../run/actions";
import { Scrubber } from "../run/scrubber";
import { RunStore } from "../run/store";
import { isClosed, rowsOf, Timeline, toggle } from "../run/timeline";
import { Icon, StatusPill } from "../ui/icons";
import { CopyButton, Section, Value } from "../ui/value";

const VIEWS = ["timeline", "graph", "events", "output"] as const;
const NAMES = { timeline: "Timeline", graph: "Graph", events: "Events", output: "Output & state" };

export function RunPage({ id }: { id: string }): JSX.Element {
  const store = useMemo(() => new RunStore(id), [id]);
  useEffect(() => () => store.close(), [store]);
  useEffect(() => effect(() => {
    const at = route.value.query.get("at");
    store.at.value = at === null || at === "" ? null : Number(at);
  }), [store]);
  void store.version.value;
  if (store.error.value && store.history.length === 0) {
    return <main class="page"><div class="empty" role="alert"><h1>This run cannot be shown</h1>
      <p>{store.error.value}</p><a class="button" href="#/runs">All runs</a></div></main>;
  }
  if (store.history.length === 0) {
    return <main class="page" aria-busy="true"><p class="quiet pad">{store.loading.value ? "Loading…" : "No event yet: the run waits to begin."}</p></main>;
  }
  return <Run store={store} />;
}

function Run({ store }: { store: RunStore }): JSX.Element {
  const { query } = route.value;
  const wanted = query.get("view") as (typeof VIEWS)[number] | null;
  const view = wanted && VIEWS.includes(wanted) ? wanted : "timeline";
  const selected = query.get("step");
  const { fold, isPast } = store;
  const event = store.history.events[store.index.value];
  const now = isPast ? (event?.time_ms ?? fold.endedAt) : fold.ended ? fold.endedAt : Math.max(clock.value, fold.endedAt);
  const select = (path: string): void => setQuery({ step: path === selected ? null : path });
  const goTo = (sequence: number | null): void => setQuery({ at: sequence });
  const rows = view === "timeline" ? rowsOf(fold) : [];
  useKeys(store);
  const requests = fold.pending.filter((wait) => wait.requirement.requires !== "deadline");
  return (
    <main class="page run-page" data-status={fold.status}>
      <Header store={store} fold={fold} now={now} />
      {isPast && (
        <p class="past" role="status">This is the run at event {event?.sequence}, {event && moment(event.time_ms)}.
          <button class="link" onClick={() => goTo(null)}>Back to the present</button></p>
      )}
      {!isPast && requests.filter((wait) => isForPeople(wait.requirement)).map((wait) => (
        <Request key={wait.requirement.id} run={store.id} requirement={wait.requirement} from={wait.from} />
      ))}
      {fold.failure && <ErrorBox error={fold.failure.error} step={fold.failure.step !== null && <>
        in <button class="link" onClick={() => select(fold.failure!.step!)}>{fold.failure.step}</button>
        {fold.failure.attempts > 1 && <> after {fold.failure.attempts} attempts</>} · </>} />}
      <div class="tabs" role="tablist" aria-label="Views of the run">
        {VIEWS.map((name) => (
          <button role="tab" id={`tab-${name}`} aria-selected={view === name} aria-controls="view"
            tabIndex={view === name ? 0 : -1} onClick={() => setQuery({ view: name === "timeline" ? null : name })}
            onKeyDown={(key) => {
              const by = key.key === "ArrowRight" ? 1 : key.key === "ArrowLeft" ? -1 : 0;
              if (by === 0) return;
              const next = VIEWS[(VIEWS.indexOf(view) + by + VIEWS.length) % VIEWS.length]!;
              setQuery({ view: next === "timeline" ? null : next });
              requestAnimationFrame(() => document.getElementById(`tab-${next}`)?.focus());
            }}>{NAMES[name]}</button>
        ))}
      </div>
      <div class={`split${selected !== null || view === "events" ? " with-detail" : ""}`}>
        <div class="view" id="view" role="tabpanel" aria-labelledby={`tab-${view}`}>
          {view === "timeline" && <Timeline fold={fold} rows={rows} now={now} selected={selected} select={select} />}
          {view === "graph" && <Graph fold={fold} plan={store.plan.value} now={now} selected={selected} select={select} />}
          {view === "events" && <EventList store={store} current={event} goTo={goTo} />}
          {view === "output" && <Outcome fold={fold} now={now} />}
        </div>
        <aside class="detail" aria-label="Details">
          {selected !== null || view === "events" ? (
            <div class="close-detail"><button class="ghost icon-button" aria-label="Close the details"
              onClick={() => setQuery({ step: null, view: view === "events" ? null : query.get("view") })}><Icon name="close" /></button></div>
          ) : null}
          {view === "events" && event ? <EventDetail event={event} />
            : selected !== null ? (
              <StepDetail key={selected} fold={fold} path={selected} now={now} events={store.history.events}
                index={store.index.value} goTo={goTo} select={select}
                actions={<StepActions store={store} fold={fold} path={selected} />} />
            ) : view === "output" ? <Overview fold={fold} now={now} /> : <Summary fold={fold} now={now} />}
        </aside>
      </div>
      {!fold.ended && !isPast && fold.status === "RUNNING" && !embedded() && <MessageBox store={store} />}
      <Scrubber store={store} goTo={goTo} />
    </main>
  );
}

function Header({ store, fold, now }: { store: RunStore; fold: Fold; now: number }): JSX.Element {
  const usage = fold.usage();
  return (
    <header class="run-head">
      <div class="run-title">
        <StatusPill status={fold.status} />
        <h1>{fold.workflowName}</h1>
        {store.connected.value && !fold.ended && <span class="live" title="Events arrive as they happen">live</span>}
      </div>
      <p class="run-id"><code>{store.id}</code><CopyButton value={store.id} what="the run's id" />
        {fold.origin && <span>forked from <a href={href(["runs", fold.origin.run])}>{fold.origin.run}</a>
          {fold.forkedAt && <> at <code>{fold.forkedAt}</code></>}</span>}
        {fold.queued && <span>waits for a slot, {fold.queued.ahead} before it</span>}
        {fold.awaitedQueues.length > 0 &&
          <span>waits for a worker of {fold.awaitedQueues.join(" or ")}</span>}
        {fold.reason && <span>{fold.reason}</span>}
        {fold.pausedUntil && <span>until {moment(fold.pausedUntil)}</span>}</p>
      <dl class="figures">
        <div><dt>Began</dt><dd title={exact(fold.createdAt)}>{moment(fold.createdAt)}</dd></div>
        <div><dt>Took</dt><dd>{duration((fold.ended ? fold.endedAt : now) - fold.createdAt)}</dd></div>
        <div><dt>Steps</dt><dd>{fold.steps}</dd></div>
        <div><dt>Tokens</dt><dd>{tokens(usage)}</dd></div>
        <div><dt>Cost</dt><dd>{money(fold.cost)}</dd></div>
        {fold.retryCount > 0 && <div><dt>Retries</dt><dd>{fold.retryCount}</dd></div>}
      </dl>
      <RunActions store={store} fold={fold} />
    </header>
  );
}

/** The panel beside the timeline while no step is selected. */
function Summary({ fold, now }: { fold: Fold; now: number }): JSX.Element {
  return (
    <div class="detail-body">
      <h2 class="sr-only">The run</h2>
      {fold.content !== null && fold.content !== "" && (
        <Section title="Output" action={<CopyButton value={fold.content} what="the output" />}><Value value={fold.content} /></Section>
      )}
      <Section title="Input"><Value value={fold.input} /></Section>
      <Overview fold={fold} now={now} />
    </div>
  );
}

function Overview({ fold, now }: { fold: Fold; now: number }): JSX.Element {
  const answers = fold.waits.filter((wait) => wait.requirement.requires !== "deadline");
  const usage = fold.usage();
  return (
    <>
      <Section title="Run">
        <Facts rows={[
          ["Workflow", fold.workflowId],
          ["Session", <a href={href(["runs"], { session: fold.sessionId })}>{fold.sessionId}</a>],
          ["User", fold.userId],
          ["Definition", <code title={fold.digest}>{fold.digest.slice(0, 12)}</code>],
          ["Ended", fold.ended ? moment(fold.endedAt) : null],
          ["Waited", waited(fold, now)],
          ["Model requests", fold.modelCalls || null],
          ["Tool calls", fold.toolCalls || null],
          ["Stopped at", fold.stoppedAt],
        ]} />
      </Section>
      {Object.keys(usage).length > 0 && <Section title="Tokens" extra={tokens(usage)}><UsageRows usage={usage} /></Section>}
      {fold.warnings.length > 0 && (
        <Section title="Budgets"><ul class="logs">{fold.warnings.map((warning) => (
          <li>{warning.limit} {warning.path && <>of <code>{warning.path}</code></>}
            <meter min={0} max={warning.of} value={warning.used} aria-label={`${warning.limit} used`} /></li>
        ))}</ul></Section>
      )}
      {answers.length > 0 && <Section title="Requests to people"><Answers waits={answers} /></Section>}
    </>
  );
}

function waited(fold: Fold, now: number): string | null {
  const sum = fold.pauses.reduce((sum, pause) => sum + (pause.to ?? now) - pause.from, 0);
  return sum > 0 ? duration(sum) : null;
}

function Outcome({ fold, now }: { fold: Fold; now: number }): JSX.Element {
  void now;
  return (
    <div class="outcome">
      <Section title="Output" action={fold.content !== null && <CopyButton value={fold.content} what="the output" />}>
        {fold.content === null || fold.content === "" ? <p class="quiet">No output {fold.ended ? "" : "yet"}</p> : <Value value={fold.content} />}
      </Section>
      <Section title="Session state">
        {Object.keys(fold.state).length === 0 ? <p class="quiet">The session state is empty.</p> : <Value value={fold.state} />}
      </Section>
      <Section title="Input"><Value value={fold.input} /></Section>
      {Object.keys(fold.metadata).length > 0 && <Section title="Metadata" open={false}><Value value={fold.metadata} /></Section>}
    </div>
  );
}

/** j and k go through rows, h and l close and open them, [ and ] go through events. */
function useKeys(store: RunStore): void {
  useEffect(() => {
    const pressed = (key: KeyboardEvent): void => {
      if (isForField(key)) return;
      // Keys can come faster than the page is drawn: what they refer to is read now.
      const selected = route.value.query.get("step");
      const rows = rowsOf(store.fold);
      const at = rows.findIndex((row) => row.path === selected);
      const event = store.index.value;
      const last = store.history.length - 1;
      const to = (index: number): void => setQuery({
        at: index >= last ? null : store.history.events[Math.max(index, 0)]!.sequence });
      const choose = (index: number): void => {
        const row = rows[Math.min(Math.max(index, 0), rows.length - 1)];
        if (row) setQuery({ step: row.path });
      };
      switch (key.key) {
        case "j": case "ArrowDown":
          if (key.key === "ArrowDown" && !inTree(key)) return;
          choose(at + 1);
          break;
        case "k": case "ArrowUp":
          if (key.key === "ArrowUp" && !inTree(key)) return;
          choose(at < 0 ? 0 : at - 1);
          break;
        case "h": case "ArrowLeft":
          if (key.key === "ArrowLeft" && !inTree(key)) return;
          if (selected !== null) toggle(selected, false);
          break;
        case "l": case "ArrowRight":
          if (key.key === "ArrowRight" && !inTree(key)) return;
          if (selected !== null && isClosed(selected)) toggle(selected, true);
          break;
        case "[": to(event - 1); break;
        case "]": to(event + 1); break;
        case "Escape": setQuery({ step: null }); break;
        case "1": case "2": case "3": case "4": {
          const name = VIEWS[Number(key.key) - 1]!;
          setQuery({ view: name === "timeline" ? null : name });
          break;
        }
        default: return;
      }
      key.preventDefault();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [store]);
}

const inTree = (key: KeyboardEvent): boolean =>
  key.target instanceof Element && key.target.getAttribute("role") === "tree";
