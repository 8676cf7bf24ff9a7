// The graph: the plan of the workflow as nested boxes, lit by what the run does. Loops and maps show
// one of their turns or items, and a strip of all.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { duration } from "../format";
import { inOrder, type Execution } from "../model/execution";
import type { Fold } from "../model/fold";
import { nameOf, numberOf } from "../model/path";
import type { Plan, PlanNode } from "../model/types";
import { Mark, toneOf, type Tone } from "../ui/icons";

/** The turn or item that a loop or map shows, by its path; the newest one otherwise. */
const chosen = signal<{ [path: string]: number }>({});
const STRIP_MAX = 120;

interface Context {
  fold: Fold;
  now: number;
  selected: string | null;
  select: (path: string) => void;
  byPath: Map<string, Execution>;
  waiting: Set<string>;
}

interface Props {
  fold: Fold;
  plan: Plan | null;
  now: number;
  selected: string | null;
  select: (path: string) => void;
}

export function Graph({ fold, plan, now, selected, select }: Props): JSX.Element {
  const byPath = new Map<string, Execution>();
  for (const execution of fold.executions) {
    if (execution.mark !== "gone") byPath.set(execution.path, execution);
  }
  const waiting = new Set(fold.pending
    .filter((wait) => wait.requirement.requires !== "deadline")
    .map((wait) => wait.requirement.path));
  const context: Context = { fold, now, selected, select, byPath, waiting };
  const drawn = plan ?? planOf(fold);
  const ended = fold.ended;
  return (
    <div class="graph" role="group" aria-label="The graph of the workflow" tabIndex={0}>
      <div class="g-column">
        <Terminal text="Start" lit />
        <Column nodes={drawn.body} base="" context={context} />
        {(drawn.after ?? []).map((node) => <Node node={node} base="" context={context} />)}
        <Terminal text={fold.status === "ERROR" ? "Failed" : fold.status === "CANCELLED" ? "Cancelled" : "End"} lit={ended}
          tone={ended ? toneOf(fold.status) : undefined} />
      </div>
    </div>
  );
}

function Terminal({ text, lit, tone }: { text: string; lit: boolean; tone?: Tone | undefined }): JSX.Element {
  return <div class={`g-terminal${lit ? " lit" : ""} ${tone ?? ""}`}>{text}</div>;
}

/** The plan as far as a run shows it, for runs whose definition is not known. */
function planOf(fold: Fold): Plan {
  const nodeOf = (execution: Execution): PlanNode => {
    const children = inOrder(execution.children, execution).filter((child) => child.type !== "ToolCall");
    const parts = children.filter((child) => child.type !== "Iteration" && child.type !== "Item");
    const turns = children.filter((child) => child.type === "Iteration" || child.type === "Item");
    const inner = turns.length > 0 ? inOrder(turns.at(-1)!.children, turns.at(-1)!) : parts;
    const body = inner.filter((child) => child.type !== "ToolCall").map(nodeOf);
    const name = execution.name;
    switch (execution.type) {
      case "Step": return { name, kind: { step: { executor_type: execution.executorType } }, after: body };
      case "Parallel": return { name, kind: { parallel: { branches: body } } };
      case "Router": return { name, kind: { router: { choices: body } } };
      case "Condition": return { name, kind: { condition: { then: body, otherwise: [] } } };
      case "Loop": return { name, kind: { loop: { body } } };
      case "Map": return { name, kind: { map: { body } } };
      default: return { name, kind: { steps: { body } } };
    }
  };
  return { name: fold.workflowName, body: fold.roots().map(nodeOf) };
}

function Column({ nodes, base, context }: { nodes: PlanNode[]; base: string; context: Context }): JSX.Element {
  return <>{nodes.map((node) => <Node key={node.name} node={node} base={base} context={context} />)}</>;
}

const bodyOf = (value: unknown): PlanNode[] => (Array.isArray(value) ? (value as PlanNode[]) : []);

function Node({ node, base, context }: { node: PlanNode; base: string; context: Context }): JSX.Element {
  const path = base === "" ? node.name : `${base}/${node.name}`;
  const [kind, settings] = Object.entries(node.kind)[0] ?? ["step", {}];
  const execution = context.byPath.get(path) ?? null;
  const tone = toneAt(path, execution, context);
  const head = { node, path, execution, tone, context };
  const after = node.after && node.after.length > 0
    ? <Column nodes={node.after} base={path} context={context} /> : null;
  switch (kind) {
    case "step":
      return <><Box {...head} detail={detailOf(settings)} />{after}</>;
    case "parallel": case "router":
      return (
        <Group {...head} word={kind}>
          <div class="g-branches">
            {bodyOf(settings["branches"] ?? settings["choices"]).map((branch) => (
              <div class="g-branch" key={branch.name}><Node node={branch} base={path} context={context} /></div>
            ))}
          </div>
          {after}
        </Group>
      );
    case "condition": {
      const taken = execution?.began?.["branch"];
      const branch = (name: string, nodes: PlanNode[]): JSX.Element | false => nodes.length > 0 && (
        <div class={`g-branch${taken === name ? " taken" : ""}`}>
          <span class="g-word">{name === "if" ? "then" : "else"}</span>
          <Column nodes={nodes} base={path} context={context} />
        </div>
      );
      return (
        <Group {...head} word="if">
          <div class="g-branches">
            {branch("if", bodyOf(settings["then"]))}{branch("else", bodyOf(settings["otherwise"]))}
          </div>
          {after}
        </Group>
      );
    }
    case "loop": case "map": {
      const turns = execution ? inOrder(execution.children, execution)
        .filter((child) => child.type === "Iteration" || child.type === "Item") : [];
      const shown = chosen.value[path] ?? numberOf(turns.at(-1)?.path ?? "") ?? 1;
      return (
        <Group {...head} word={kind} extra={<Strip path={path} turns={turns} shown={shown}
          context={context} word={kind === "loop" ? "turn" : "item"} />}>
          <Column nodes={bodyOf(settings["body"])} base={`${path}#${shown}`} context={context} />
          {after}
        </Group>
      );
    }
    default:
      return (
        <Group {...head} word={kind === "after" ? String(settings["on"] ?? "after") : kind}>
          <Column nodes={bodyOf(settings["body"])} base={path} context={context} />
          {after}
        </Group>
      );
  }
}

function toneAt(path: string, execution: Execution | null, context: Context): Tone {
  if (context.waiting.has(path)) return "paused";
  if (!execution || execution.mark === "again") return "idle";
  return toneOf(execution.status);
}

function detailOf(settings: { [field: string]: unknown }): string {
  const type = settings["executor_type"];
  const name = settings["executor_name"];
  return [type === "function" ? null : type, name].filter((part) => typeof part === "string").join(" ");
}

interface Head {
  node: PlanNode;
  path: string;
  execution: Execution | null;
  tone: Tone;
  context: Context;
}

function timeOf(execution: Execution | null, { fold, now }: Context): string {
  if (!execution) return "";
  const until = execution.endedAt ?? (fold.ended || fold.status === "PAUSED" ? fold.endedAt : now);
  return duration(until - execution.startedAt);
}

function Title({ node, path, execution, tone, context, word }: Head & { word?: string }): JSX.Element {
  return (
    <button class="g-title" aria-pressed={context.selected === path} onClick={() => context.select(path)}>
      <Mark tone={tone} label={tone === "idle" ? "not begun" : tone} />
      <span class="label">{nameOf(node.name)}</span>
      {word && <span class="type">{word}</span>}
      {execution && execution.attempts > 1 && <span class="type warn">×{execution.attempts}</span>}
      <span class="g-time">{timeOf(execution, context)}</span>
    </button>
  );
}

function Box(head: Head & { detail: string }): JSX.Element {
  const { execution, tone, context, path } = head;
  const calls = execution?.children.filter((child) => child.type === "ToolCall") ?? [];
  return (
    <div class={`g-box ${tone}${context.selected === path ? " selected" : ""}`}>
      <Title {...head} />
      {(head.detail || calls.length > 0) && (
        <div class="g-detail">{head.detail}
          {calls.length > 0 && <span class="type">{calls.length === 1 ? "1 call" : `${calls.length} calls`}</span>}
        </div>
      )}
      {execution?.status === "running" && execution.partial !== "" && (
        <p class="g-partial">{execution.partial.slice(-140)}</p>
      )}
    </div>
  );
}

function Group({ word, extra, children, ...head }: Head & { word: string; extra?: JSX.Element;
  children: JSX.Element | (JSX.Element | null)[] }): JSX.Element {
  const { tone, context, path } = head;
  return (
    <div class={`g-group ${tone}${context.selected === path ? " selected" : ""}`}>
      <Title {...head} word={word} />
      {extra}
      <div class="g-inner">{children}</div>
    </div>
  );
}

function Strip({ path, turns, shown, context, word }: { path: string; turns: Execution[];
  shown: number; context: Context; word: string }): JSX.Element | null {
  if (turns.length === 0) return null;
  const drawn = turns.slice(-STRIP_MAX);
  return (
    <div class="g-strip" role="group" aria-label={`${word}s of ${nameOf(path)}`}>
      {drawn.length < turns.length && <span class="quiet">{turns.length - drawn.length} before</span>}
      {drawn.map((turn) => {
        const number = numberOf(turn.path) ?? 0;
        return (
          <button key={number} class={`g-turn ${toneAt(turn.path, turn, context)}`} aria-pressed={number === shown}
            aria-label={`${word} ${number}: ${turn.status}`} title={`${word} ${number}: ${turn.status}`}
            onClick={() => {
              chosen.value = { ...chosen.value, [path]: number };
              context.select(turn.path);
            }}>{turns.length <= 24 ? number : ""}</button>
        );
      })}
    </div>
  );
}
