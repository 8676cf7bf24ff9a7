// Two runs side by side: where they part, and what each cost.

import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { duration, excerpt, money, textOf, tokens } from "../format";
import type { Fold } from "../model/fold";
import { tokensOf } from "../model/usage";
import { usageOf, type Execution } from "../model/execution";
import { href, route, setQuery } from "../router";
import { RunStore } from "../run/store";
import { differences, type Line } from "../model/diff";
import { Icon, Mark, StatusPill, toneOf } from "../ui/icons";
import { VirtualList } from "../ui/virtual";

export function ComparePage(): JSX.Element {
  const { query } = route.value;
  const [a, b] = [query.get("a") ?? "", query.get("b") ?? ""];
  return (
    <main class="page">
      <div class="page-head"><h1>Compare runs</h1></div>
      <Choose a={a} b={b} />
      {a && b ? <Both key={`${a} ${b}`} a={a} b={b} /> : (
        <div class="empty"><Icon name="compare" size={28} /><h2>Choose two runs</h2>
          <p>A fork and its origin show best what a change did.</p></div>
      )}
    </main>
  );
}

function Choose({ a, b }: { a: string; b: string }): JSX.Element {
  const one = useSignal(a);
  const two = useSignal(b);
  return (
    <form class="row choose" onSubmit={(event) => {
      event.preventDefault();
      setQuery({ a: one.value.trim(), b: two.value.trim() }, false);
    }}>
      <input type="text" aria-label="The first run" placeholder="Id of a run" value={one.value}
        onInput={(event) => (one.value = event.currentTarget.value)} />
      <button type="button" class="ghost" aria-label="Swap the runs" onClick={() => {
        [one.value, two.value] = [two.value, one.value];
        setQuery({ a: one.value, b: two.value });
      }}>⇄</button>
      <input type="text" aria-label="The second run" placeholder="Id of a run" value={two.value}
        onInput={(event) => (two.value = event.currentTarget.value)} />
      <button type="submit">Compare</button>
    </form>
  );
}

interface Pair {
  path: string;
  depth: number;
  a: Execution | null;
  b: Execution | null;
}

const byPath = (fold: Fold): Map<string, Execution> =>
  new Map(fold.executions.filter((step) => step.mark !== "gone").map((step) => [step.path, step]));

function depthOf(step: Execution): number {
  let depth = 0;
  for (let at = step.parent; at; at = at.parent) depth += 1;
  return depth;
}

/** The executions of both, in the order of the first run, each new one after the one before it. */
export function pairs(one: Fold, two: Fold): Pair[] {
  const [a, b] = [byPath(one), byPath(two)];
  // A list of lists: each execution of the first run, and those of the second that come after it.
  const places = new Map([...a.keys()].map((path, at) => [path, at + 1]));
  const lists: string[][] = [[], ...[...a.keys()].map((path) => [path])];
  let before = 0;
  for (const path of b.keys()) {
    const at = places.get(path);
    if (at !== undefined) before = at;
    else lists[before]!.push(path);
  }
  return lists.flat().map((path) => {
    const [x, y] = [a.get(path) ?? null, b.get(path) ?? null];
    return { path, depth: depthOf((x ?? y)!), a: x, b: y };
  });
}

const outputOf = (step: Execution | null): string =>
  step ? textOf(step.outcome?.text ?? step.output?.content ?? step.error?.message ?? "") : "";

function differ({ a, b }: Pair): boolean {
  return !a || !b || a.status !== b.status || outputOf(a) !== outputOf(b);
}

function Both({ a, b }: { a: string; b: string }): JSX.Element {
  const stores = useMemo(() => [new RunStore(a), new RunStore(b)] as const, []);
  const only = useSignal(false);
  const chosen = useSignal<string | null>(null);
  useEffect(() => () => stores.forEach((store) => store.close()), []);
  const [one, two] = stores.map((store) => store.fold) as [Fold, Fold];
  const failed = stores.map((store) => store.error.value).find((error) => error !== null);
  if (failed) return <p class="banner failed" role="alert">{failed}</p>;
  if (stores.some((store) => store.history.length === 0)) return <p class="quiet pad">Loading…</p>;
  const all = pairs(one, two);
  const first = all.find(differ);
  const shown = only.value ? all.filter(differ) : all;
  const open = all.find((pair) => pair.path === chosen.value) ?? null;
  return (
    <>
      <div class="versus">
        {[one, two].map((fold, at) => (
          <section class="panel" aria-label={`Run ${fold.runId}`}>
            <p class="row"><StatusPill status={fold.status} /><a class="strong" href={href(["runs", stores[at]!.id])}>{stores[at]!.id}</a></p>
            <dl class="figures">
              <div><dt>Took</dt><dd>{duration(fold.endedAt - fold.begunAt)}</dd></div>
              <div><dt>Steps</dt><dd>{fold.steps}</dd></div>
              <div><dt>Tokens</dt><dd>{tokens(fold.usage())}</dd></div>
              <div><dt>Cost</dt><dd>{money(fold.cost)}</dd></div>
            </dl>
          </section>
        ))}
      </div>
      <div class="panel">
        <h2>Output</h2>
        <Diff a={textOf(one.content ?? "")} b={textOf(two.content ?? "")} />
      </div>
      <div class="tl-tools">
        {first ? <span>They part at <button class="link" onClick={() => (chosen.value = first.path)}>{first.path}</button></span>
          : <span>All steps agree.</span>}
        <span class="grow" />
        <label class="inline"><input type="checkbox" checked={only.value} onChange={() => (only.value = !only.value)} /> Only differences</label>
      </div>
      {open && <div class="panel"><h2>{open.path}</h2><Diff a={outputOf(open.a)} b={outputOf(open.b)} /></div>}
      <VirtualList count={shown.length} height={36} label="Steps of both runs" class="pair-rows"
        row={(at) => {
          const pair = shown[at]!;
          return (
            <button class={`pair-row${differ(pair) ? " differs" : ""}${pair.path === chosen.value ? " selected" : ""}`}
              onClick={() => (chosen.value = pair.path === chosen.value ? null : pair.path)}>
              <span class="label" style={{ paddingLeft: `calc(${pair.depth} * var(--indent))` }}>{pair.path}</span>
              <Cell step={pair.a} /><Cell step={pair.b} />
            </button>
          );
        }} />
    </>
  );
}

function Cell({ step }: { step: Execution | null }): JSX.Element {
  if (!step) return <span class="quiet cell">–</span>;
  const used = tokensOf(usageOf(step));
  return <span class="cell"><Mark tone={toneOf(step.status)} label={step.status} />
    <span class="cell-text">{excerpt(outputOf(step), 60)}</span>
    <span class="quiet">{duration((step.endedAt ?? step.startedAt) - step.startedAt)}{used > 0 && ` · ${used} tok`}</span></span>;
}

function Diff({ a, b }: { a: string; b: string }): JSX.Element {
  if (a === b) return <p class="quiet">{a === "" ? "Neither has an output." : "Both are the same."}</p>;
  const lines: Line[] = differences(a, b);
  return (
    <div class="diff" role="group" tabIndex={0} aria-label="Differences">
      {lines.map((line) => (
        <div class={`diff-line ${line.kind}`}>
          <span class="sign" aria-label={line.kind === "same" ? undefined : line.kind}>{line.kind === "removed" ? "−" : line.kind === "added" ? "+" : " "}</span>
          <span>{line.text || " "}</span></div>
      ))}
    </div>
  );
}
