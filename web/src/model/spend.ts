// Sums of the rows of runs: what they cost by day and by workflow.

import type { RunRow } from "./types";

export interface Sum {
  runs: number;
  tokens: number;
  /** Billionths of a US dollar. */
  nano: number;
  /** Runs with a model whose price is not known. What they cost is not in the sum. */
  unpriced: number;
  /** Runs of which the server cannot tell what they used. */
  unknown: number;
}

const nothing = (): Sum => ({ runs: 0, tokens: 0, nano: 0, unpriced: 0, unknown: 0 });

function add(sum: Sum, { tokens, cost }: RunRow): void {
  sum.runs += 1;
  if (tokens === null) {
    sum.unknown += 1;
    return;
  }
  sum.tokens += tokens;
  if (cost === null) sum.unpriced += 1;
  else sum.nano += Math.round(cost * 1e9);
}

/** The first moment of the day of a time, where the reader is. */
export function dayOf(time: number): number {
  const day = new Date(time);
  return new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime();
}

/** The first moments of so many days up to now, the newest first. */
export function daysUntil(now: number, count: number): number[] {
  const last = new Date(now);
  return Array.from({ length: count }, (_, back) =>
    new Date(last.getFullYear(), last.getMonth(), last.getDate() - back).getTime());
}

/** What runs cost. Each counts on the day on which it began. */
export class Spend {
  readonly all = nothing();
  readonly days = new Map<number, Sum>();
  readonly workflows = new Map<string, Sum>();
  private seen = new Set<string>();

  /** Adds a row. One that was added before counts once. */
  add(row: RunRow): void {
    if (this.seen.has(row.run_id)) return;
    this.seen.add(row.run_id);
    add(this.all, row);
    for (const [sums, key] of [[this.days, dayOf(row.created_at)], [this.workflows, row.workflow_id]] as const) {
      const all = sums as Map<number | string, Sum>;
      const sum = all.get(key) ?? nothing();
      all.set(key, sum);
      add(sum, row);
    }
  }
}
