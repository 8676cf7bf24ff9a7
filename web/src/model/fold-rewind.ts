// The effect of a retry or a fork on the executions before it, as in `stepwright_core::rewind`.

import { isConcurrent, type FoldState } from "./execution";
import { parentOf } from "./path";

type Place = "kept" | "around" | "again" | "after";

class Places {
  private again: Set<string>;
  private around = new Set<string>();
  private after = new Set<string>();
  private holding = new Set<string>();

  constructor(executions: { path: string; type: string }[], again: string[], open: string[],
    gently: boolean) {
    const known = new Map<string, { order: number; type: string }>();
    const inside = new Map<string, string[]>();
    executions.forEach(({ path, type }, order) => {
      known.set(path, { order, type });
      const parent = parentOf(path);
      if (parent === null) return;
      const siblings = inside.get(parent);
      if (siblings) siblings.push(path);
      else inside.set(parent, [path]);
    });
    this.again = new Set(again);
    for (const path of again) {
      if (gently && inside.has(path)) this.holding.add(path);
      let at = path;
      for (let parent = parentOf(at); parent !== null; parent = parentOf(at)) {
        const container = known.get(parent);
        const concurrent = container !== undefined && isConcurrent(container.type);
        const began = known.get(at)?.order;
        if (!concurrent && began !== undefined) {
          for (const sibling of inside.get(parent) ?? []) {
            if (known.get(sibling)!.order > began) this.after.add(sibling);
          }
        }
        const knownAlready = this.around.has(parent);
        this.around.add(parent);
        if (knownAlready && concurrent) break;
        at = parent;
      }
    }
    for (const path of open) {
      for (let at: string | null = path; at !== null; at = parentOf(at)) this.around.add(at);
    }
  }

  beginsAgain(path: string): boolean {
    return this.again.has(path);
  }

  of(path: string): Place {
    let place: Place = "kept";
    for (let at: string | null = path; at !== null; at = parentOf(at)) {
      if (this.after.has(at)) return "after";
      if (this.again.has(at) && (at === path || !this.holding.has(at))) place = "again";
    }
    return place === "kept" && this.around.has(path) ? "around" : place;
  }
}

/** Takes the fold back to before these executions. With `gently`, as for a retry, they go on. */
export function rewind(fold: FoldState, steps: string[], open: string[], gently: boolean): void {
  const counting = fold.executions.filter((step) => step.mark !== "gone");
  const places = new Places(counting.filter((step) => step.type !== "ToolCall"), steps, open, gently);
  for (const step of counting) {
    const again = gently && places.beginsAgain(step.path);
    const place = places.of(step.path);
    let reopens = false;
    if (place === "around") reopens = true;
    else if (place === "again" && again) {
      step.mark = "again";
      reopens = true;
    } else if (place === "again" && gently) reopens = false;
    else if (place === "kept" && step.endedAt !== null) reopens = false;
    else step.mark = "gone";
    if (reopens) {
      step.status = "running";
      step.endedAt = step.output = step.error = null;
      step.exhausted = false;
      step.partial = "";
    } else {
      step.endedAt ??= step.startedAt;
    }
  }
  fold.open = new Map();
  for (const step of fold.executions) if (step.endedAt === null) fold.open.set(step.path, step);
  fold.calls = [...fold.open.values()].filter((step) => step.type === "ToolCall").length;
  for (const wait of fold.pending) wait.to = fold.endedAt;
  fold.pending = [];
  fold.status = "RUNNING";
}
