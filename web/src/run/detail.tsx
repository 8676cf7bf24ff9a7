// All there is to know of one execution: its input, conversation, output, attempts, tokens, errors.

import type { ComponentChildren, JSX } from "preact";
import { count, duration, exact, excerpt, money, timeOfDay, tokens } from "../format";
import { detailOf, usageOf, type AgentRun, type Execution, type Turn } from "../model/execution";
import type { Fold } from "../model/fold";
import { contains } from "../model/path";
import { addCost, nothing, plus, tokensOf } from "../model/usage";
import type { ErrorData, Event, Json, Part, Usage } from "../model/types";
import { Icon, Mark, toneOf } from "../ui/icons";
import { CopyButton, LongText, Section, Value } from "../ui/value";
import { Media, RunId } from "./media";
import { Answers } from "./requests";
import { labelOf } from "./timeline";

export function Facts({ rows }: { rows: [string, ComponentChildren][] }): JSX.Element {
  const shown = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return <dl class="facts">{shown.map(([name, value]) => <div><dt>{name}</dt><dd>{value}</dd></div>)}</dl>;
}

export function ErrorBox({ error, step }: { error: ErrorData; step?: ComponentChildren }): JSX.Element {
  return (
    <div class="error-box">
      <p class="error-title"><Mark tone="failed" /> <span>{error.message}</span></p>
      {error.causes && error.causes.length > 0 && (
        <ol class="causes">{error.causes.map((cause) => <li>{cause}</li>)}</ol>
      )}
      {error.hint && <p><strong>help:</strong> {error.hint}</p>}
      <p class="quiet">{step}{error.id && <code>{error.id}</code>} {error.code}
        {error.retryable ? " · a retry may help" : ""}</p>
    </div>
  );
}

export function UsageRows({ usage }: { usage: Usage }): JSX.Element | null {
  if (tokensOf(usage) === 0) return null;
  const input = usage.input_tokens ?? 0;
  const output = usage.output_tokens ?? 0;
  return (
    <Facts rows={[
      ["Input", `${count(input)} tokens`],
      ["from cache", usage.cache_read_tokens ? `${count(usage.cache_read_tokens)} (${Math.round(100 * usage.cache_read_tokens / Math.max(input, 1))} %)` : null],
      ["to cache", usage.cache_write_tokens ? count(usage.cache_write_tokens) : null],
      ["Output", `${count(output)} tokens`],
      ["reasoning", usage.reasoning_tokens ? count(usage.reasoning_tokens) : null],
    ]} />
  );
}

interface Props {
  fold: Fold;
  path: string;
  now: number;
  events: readonly Event[];
  index: number;
  actions: ComponentChildren;
  goTo: (sequence: number) => void;
  select: (path: string) => void;
}

export function StepDetail({ fold, path, now, events, index, actions, goTo, select }: Props): JSX.Element {
  const step = fold.executions.findLast((other) => other.path === path && other.mark !== "gone");
  const waits = fold.waits.filter((wait) => wait.requirement.path === path
    && wait.requirement.requires !== "deadline");
  if (!step) {
    return (
      <div class="detail-body">
        <h2>{labelOf(path)}</h2>
        <p class="quiet">{waits.length > 0 ? "It waits, and has not begun." : "It has not begun at this moment."}</p>
        {waits.length > 0 && <Section title="Requests"><Answers waits={waits} /></Section>}
      </div>
    );
  }
  const until = step.endedAt ?? (fold.ended ? fold.endedAt : now);
  const usage = usageOf(step);
  const firstText = step.spans.find((span) => span.firstText !== null);
  return (
    <RunId.Provider value={fold.runId}><div class="detail-body">
      <header class="detail-head">
        <h2><Mark tone={toneOf(step.status)} label={step.status} /> {labelOf(path, step.type)}</h2>
        <p class="path"><code>{path}</code><CopyButton value={path} what="the path" /></p>
        <div class="row">{actions}</div>
      </header>
      {step.error && <ErrorBox error={step.error} />}
      <Facts rows={[
        ["Status", step.exhausted ? `${step.status}, turns exhausted` : step.status],
        ["Kind", [step.type, step.executorType, step.executor].filter(Boolean).join(" · ")],
        ["Began", <time title={exact(step.startedAt)}>{timeOfDay(step.startedAt)}</time>],
        ["Took", duration(until - step.startedAt)],
        ["First token", firstText ? `${duration(firstText.firstText! - firstText.from)} after the request` : null],
        ["Attempts", step.attempts > 1 ? step.attempts : null],
        ["Tokens", tokensOf(usage) > 0 ? tokens(usage) : null],
        ["Cost", step.cost.nano > 0 || step.cost.unpriced > 0 ? money(step.cost) : null],
      ]} />
      {step.progress && step.status === "running" && <p class="progress">{step.progress}</p>}
      {step.call && <Section title="Arguments"><Value value={argumentsOf(step.call.arguments)} /></Section>}
      {step.outcome && <Section title="Result">
        <LongText text={step.outcome.whole ?? step.outcome.text} raw={!step.outcome.is_error} />
        {step.outcome.media && step.outcome.media.length > 0 && <Media media={step.outcome.media} />}</Section>}
      {waits.length > 0 && <Section title="Requests"><Answers waits={waits} /></Section>}
      {step.runs.map((run, at) => <Conversation run={run} number={step.runs.length > 1 ? at + 1 : null}
        select={select} step={step} now={`${run.turns.length} ${run.error?.message ?? ""} ${step.children.length}`} />)}
      {step.reasoning && step.status === "running" && <Section title="Reasoning so far"><p class="reasoning">{step.reasoning}</p></Section>}
      {step.partial && <Section title="Text so far"><div class="streaming"><LongText text={step.partial} /></div></Section>}
      <Output step={step} status={step.status} />
      {step.retries.length > 0 && (
        <Section title="Failed attempts">
          <ol class="retries">{step.retries.map((retry) => (
            <li><strong>Attempt {retry.attempt}</strong> <span class="quiet">then waited {duration(retry.delay)}</span>
              <p class="error-text">{retry.error.message}</p></li>
          ))}</ol>
        </Section>
      )}
      {tokensOf(usage) > 0 && <Section title="Tokens" extra={tokens(usage)}><UsageRows usage={usage} /></Section>}
      {step.logs.length > 0 && (
        <Section title="Custom events">
          <ul class="logs">{step.logs.map((log) => <li><code>{log.name}</code> {excerpt(log.data)}</li>)}</ul>
        </Section>
      )}
      {step.began && <Section title="Decision" open={false}><Value value={detailOf(step)} /></Section>}
      <EventsOf path={path} events={events} index={index} goTo={goTo} />
    </div></RunId.Provider>
  );
}

const argumentsOf = (value: Json): Json => {
  const of = value as { json?: Json; invalid?: string } | null;
  return of?.json ?? of?.invalid ?? value;
};

/** A step changes in place: its status is what tells that there is something new to draw. */
function Output({ step }: { step: Execution; status: string }): JSX.Element | null {
  const output = step.output;
  if (!output) return null;
  const content = output.content ?? null;
  return (
    <>
      {content !== null && content !== "" && (
        <Section title={step.status === "cancelled" ? "Output until it was stopped" : "Output"}
          action={<CopyButton value={content} what="the output" />}><Value value={content} /></Section>
      )}
      {output.media && output.media.length > 0 && <Section title="Media"><Media media={output.media} /></Section>}
      {output.files && output.files.length > 0 && (
        <Section title="Files"><ul class="logs">{output.files.map((file) => (
          <li><code>{file.path}</code> <span class="quiet">{count(file.bytes)} bytes</span></li>
        ))}</ul></Section>
      )}
      {output.patches && output.patches.length > 0 && (
        <Section title="Changes of the session state">
          <ul class="patches">{output.patches.map((patch) => (
            <li><code>{patch.op}</code> <strong>{patch.key}</strong> {excerpt(patch.value ?? patch.by ?? null)}</li>
          ))}</ul>
        </Section>
      )}
    </>
  );
}

function Conversation({ run, number, step, select }: { run: AgentRun; number: number | null;
  step: Execution; select: (path: string) => void; now: string }): JSX.Element {
  const cost = nothing();
  for (const turn of run.turns) {
    if (turn.kind === "model" && turn.span) addCost(cost, { usd: turn.span.cost.nano / 1e9 });
  }
  const calls = new Map(step.children.filter((child) => child.call).map((child) => [child.call!.id, child.path]));
  const usage = plus({}, run.usage);
  return (
    <Section title={number === null ? `Agent ${run.agent}` : `Agent ${run.agent}, attempt ${number}`}
      extra={<code>{run.model}</code>}>
      {run.notice && <p class="notice">{run.notice}</p>}
      <ol class="turns">
        <li class="turn user"><span class="who">Prompt</span><Value value={run.message} /></li>
        {run.turns.map((turn) => <TurnView turn={turn} calls={calls} select={select} />)}
      </ol>
      {run.error && <ErrorBox error={run.error} />}
      {tokensOf(usage) > 0 && <p class="quiet">{tokens(usage)} tokens{cost.nano > 0 && <>, {money(cost)}</>}</p>}
    </Section>
  );
}

function TurnView({ turn, calls, select }: { turn: Turn; calls: Map<string, string>;
  select: (path: string) => void }): JSX.Element {
  switch (turn.kind) {
    case "message":
      return <li class="turn user"><span class="who">{turn.message.by ?? "Message"} · {turn.message.mode}</span>
        <LongText text={turn.message.text} /></li>;
    case "tool":
      return (
        <li class={`turn tool${turn.outcome.is_error ? " failed" : ""}`}>
          <span class="who">{turn.outcome.name} {turn.outcome.is_error ? "failed" : "answered"}</span>
          <LongText text={turn.outcome.text} raw />
        </li>
      );
    case "model":
      return (
        <li class="turn model">
          <span class="who">Model{turn.span?.to && <span class="quiet"> {duration(turn.span.to - turn.span.from)}</span>}
            {typeof turn.span?.stop === "string" && turn.span.stop !== "end_turn" && turn.span.stop !== "tool_calls"
              && <span class="type warn">{turn.span.stop}</span>}</span>
          {turn.span?.warning && <p class="notice">{turn.span.warning}</p>}
          {turn.parts.map((part) => <PartView part={part} path={calls.get(part.id ?? "")} select={select} />)}
        </li>
      );
  }
}

function PartView({ part, path, select }: { part: Part; path: string | undefined;
  select: (path: string) => void }): JSX.Element | null {
  switch (part.type) {
    case "text": return <LongText text={part.text ?? ""} />;
    case "reasoning":
      return <details class="reasoning"><summary>Reasoning</summary><LongText text={part.text ?? ""} /></details>;
    case "tool_call":
      return (
        <div class="call">
          <Icon name="tool" size={14} />
          {path ? <button class="link" onClick={() => select(path)}>{part.name}</button> : <strong>{part.name}</strong>}
          <code>{excerpt(argumentsOf((part.arguments ?? null) as Json), 200)}</code>
        </div>
      );
    case "media": return part.media ? <Media media={[part.media]} /> : null;
    default: return null;
  }
}

const EVENTS_MAX = 60;

function EventsOf({ path, events, index, goTo }: { path: string; events: readonly Event[];
  index: number; goTo: (sequence: number) => void }): JSX.Element {
  const own: Event[] = [];
  for (let at = 0; at <= index && own.length < EVENTS_MAX; at += 1) {
    const event = events[at]!;
    if (event.delta === undefined && event.path === path) own.push(event);
  }
  return (
    <Section title="Events" extra={own.length} open={false}>
      <ol class="event-links">{own.map((event) => (
        <li><button class="link" onClick={() => goTo(event.sequence)}>{event.sequence}</button>
          <span>{event.event}</span><time class="quiet">{timeOfDay(event.time_ms)}</time></li>
      ))}</ol>
    </Section>
  );
}

export { contains };
