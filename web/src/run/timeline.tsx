// The timeline: a row for each execution, with its bar, its attempts, its waits and its requests to
// models. The rows are the tree of the run, and of many rows only those in sight exist.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { duration, money, short } from "../format";
import { inOrder, usageOf, type Execution, type Wait } from "../model/execution";
import type { Fold } from "../model/fold";
import { contains, nameOf, numberOf, parentOf } from "../model/path";
import { tokensOf } from "../model/usage";
import { Icon, Mark, toneOf, type Tone } from "../ui/icons";
import { VirtualList } from "../ui/virtual";
import { scaleOf, type Scale } from "./scale";

export interface Row {
  path: string;
  depth: number;
  execution: Execution | null;
  /** A request that came before its step began. */
  wait: Wait | null;
  children: boolean;
}

const closed = signal<ReadonlySet<string>>(new Set());
export const compress = signal(true);
export const zoom = signal(1);

const WORDS: { [type: string]: string } = {
  Parallel: "parallel", Loop: "loop", Map: "map", Condition: "if", Router: "router",
  Steps: "steps", OnFailure: "on failure", Finally: "finally", Undo: "undo", ToolCall: "tool",
};

export function toggle(path: string, open?: boolean): void {
  const next = new Set(closed.value);
  if (open ?? next.has(path)) next.delete(path);
  else next.add(path);
  closed.value = next;
}

export const isClosed = (path: string): boolean => closed.value.has(path);

/** The rows in sight of a reader who has closed some of them. */
export function rowsOf(fold: Fold): Row[] {
  const rows: Row[] = [];
  const waiting = new Map<string, Wait>();
  for (const wait of fold.pending) {
    const path = wait.requirement.path;
    if (wait.requirement.requires !== "deadline" && !fold.open.has(path)) waiting.set(path, wait);
  }
  const add = (execution: Execution, depth: number): void => {
    const children = inOrder(execution.children, execution);
    rows.push({ path: execution.path, depth, execution, wait: null, children: children.length > 0 });
    if (closed.value.has(execution.path)) return;
    for (const child of children) add(child, depth + 1);
    for (const [path, wait] of waiting) {
      if (!contains(execution.path, path)) continue;
      rows.push({ path, depth: depth + 1, execution: null, wait, children: false });
      waiting.delete(path);
    }
  };
  for (const root of fold.roots()) add(root, 0);
  for (const [path, wait] of waiting) {
    rows.push({ path, depth: 0, execution: null, wait, children: false });
  }
  return rows;
}

export function labelOf(path: string, type?: string): string {
  const number = numberOf(path);
  if (type === "Iteration") return `turn ${number}`;
  if (type === "Item") return `item ${number}`;
  if (type === "Undo") return `undo ${nameOf(parentOf(path) ?? "")}`;
  return number === null || type !== "ToolCall" ? nameOf(path) : `${nameOf(path)} #${number}`;
}

export function toneOfRow(row: Row, fold: Fold): Tone {
  if (!row.execution) return "paused";
  const waits = fold.pending.some((wait) =>
    wait.requirement.requires !== "deadline" && wait.requirement.path === row.path);
  return waits ? "paused" : row.execution.mark === "again" ? "idle" : toneOf(row.execution.status);
}

interface Props {
  fold: Fold;
  rows: Row[];
  now: number;
  selected: string | null;
  select: (path: string) => void;
}

const HEIGHT = 32;

export function Timeline({ fold, rows, now, selected, select }: Props): JSX.Element {
  const scale = scaleOf(fold, now, compress.value);
  const show = rows.findIndex((row) => row.path === selected);
  const waits = waitsByPath(fold);
  return (
    <div class="timeline" style={{ "--zoom": String(zoom.value) }}>
      <div class="tl-tools">
        <label class="inline"><input type="checkbox" checked={compress.value}
          onChange={() => (compress.value = !compress.value)} /> Shorten waits</label>
        <span class="tl-legend" aria-hidden="true">
          <i class="key-run" /> works <i class="key-model" /> asks a model <i class="key-wait" /> waits
          <i class="key-retry" /> retries
        </span>
        <span class="grow" />
        <button class="ghost small" onClick={() => (zoom.value = Math.max(1, zoom.value / 1.6))}
          disabled={zoom.value === 1} aria-label="Zoom out">−</button>
        <button class="ghost small" onClick={() => (zoom.value = Math.min(40, zoom.value * 1.6))}
          aria-label="Zoom in">+</button>
        {zoom.value > 1 && <button class="ghost small" onClick={() => (zoom.value = 1)}>Fit</button>}
      </div>
      <VirtualList count={rows.length} height={HEIGHT} label="Executions of the run" class="tl-rows"
        role="tree" show={show}
        header={<Axis scale={scale} />}
        row={(at) => <TimelineRow row={rows[at]!} fold={fold} scale={scale} now={now}
          waits={waits.get(rows[at]!.path)} selected={rows[at]!.path === selected} select={select} />} />
    </div>
  );
}

function waitsByPath(fold: Fold): Map<string, Wait[]> {
  const found = new Map<string, Wait[]>();
  for (const wait of fold.waits) {
    if (wait.requirement.requires === "deadline") continue;
    const path = wait.requirement.path;
    found.set(path, [...(found.get(path) ?? []), wait]);
  }
  return found;
}

function Axis({ scale }: { scale: Scale }): JSX.Element {
  return (
    <div class="tl-row tl-axis" aria-hidden="true">
      <div class="tl-name" />
      <div class="tl-lane"><div class="tl-track">
        {scale.ticks.map((tick) => (
          <span class="tl-tick" style={{ left: `${tick.place * 100}%` }}>{duration(tick.ms)}</span>
        ))}
        {scale.gaps.map((gap) => (
          <span class="tl-gap" style={span(scale, gap.from, gap.to)} title={`paused for ${duration(gap.to - gap.from)}`}>
            ⋯
          </span>
        ))}
      </div></div>
      <div class="tl-time" />
    </div>
  );
}

function span(scale: Scale, from: number, to: number): { left: string; width: string } {
  const left = scale.at(from);
  return { left: `${left * 100}%`, width: `${Math.max(scale.at(to) - left, 0) * 100}%` };
}

function TimelineRow({ row, fold, scale, now, waits, selected, select }: { row: Row; fold: Fold;
  scale: Scale; now: number; waits: Wait[] | undefined; selected: boolean;
  select: (path: string) => void }): JSX.Element {
  const { execution, path } = row;
  const tone = toneOfRow(row, fold);
  const until = execution?.endedAt ?? (fold.ended || fold.status === "PAUSED" ? fold.endedAt : now);
  const took = execution ? Math.max(until - execution.startedAt, 0) : now - row.wait!.from;
  const type = execution ? WORDS[execution.type] : undefined;
  const isOpen = !closed.value.has(path);
  const used = execution ? tokensOf(usageOf(execution)) : 0;
  return (
    <div class={`tl-row${selected ? " selected" : ""}`} role="treeitem" aria-level={row.depth + 1}
      aria-selected={selected} aria-expanded={row.children ? isOpen : undefined}
      onClick={() => select(path)}>
      <div class="tl-name" style={{ paddingLeft: `calc(${row.depth} * var(--indent))` }}>
        {row.children ? (
          <button class={`twist${isOpen ? " open" : ""}`} tabIndex={-1}
            aria-label={isOpen ? `Close ${path}` : `Open ${path}`}
            onClick={(event) => {
              event.stopPropagation();
              toggle(path);
            }}><Icon name="right" size={12} /></button>
        ) : <span class="twist" />}
        <Mark tone={tone} label={tone === "paused" ? "waiting" : tone} />
        <span class="label" title={path}>{labelOf(path, execution?.type)}</span>
        {type && <span class="type">{type}</span>}
        {execution && execution.attempts > 1 && <span class="type warn">×{execution.attempts}</span>}
      </div>
      <div class="tl-lane"><div class="tl-track">
        {execution && <i class={`bar ${tone} ${execution.type === "Step" ? "" : "thin"}`}
          style={span(scale, execution.startedAt, until)} />}
        {execution?.spans.map((model) => <i class="bar-model"
          style={span(scale, model.from, model.to ?? until)} />)}
        {execution?.retries.map((retry) => <i class="bar-retry" title={retry.error.message}
          style={span(scale, retry.at, Math.min(retry.at + retry.delay, until))} />)}
        {waits?.map((wait) => <i class="bar-wait"
          style={span(scale, wait.from, wait.to ?? now)} />)}
      </div></div>
      <div class="tl-time">
        {duration(took)}
        {used > 0 && <span class="quiet"> {short(used)} tok</span>}
        {execution && execution.cost.nano > 0 && <span class="quiet"> {money(execution.cost)}</span>}
      </div>
    </div>
  );
}
