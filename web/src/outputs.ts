// The outputs of the runs that a list shows: input, tokens and cost are not in the rows. They are
// asked for while a row is in sight, a few at a time, and kept once a run has ended.

import { signal } from "@preact/signals";
import { api } from "./api";
import type { RunOutput, RunRow } from "./model/types";

const AT_ONCE_MAX = 4;
const KEPT_MAX = 2000;
/** The rows that were drawn last; those that scrolled by are not asked for. */
const WANTED_MAX = 40;
const SETTLE_MS = 120;

const kept = new Map<string, { of: number; output: RunOutput }>();
const version = signal(0);
let wanted: RunRow[] = [];
const asking = new Set<string>();
let timer: ReturnType<typeof setTimeout> | undefined;

/** The output of the run of a row, once it is known. */
export function outputOf(row: RunRow): RunOutput | null {
  void version.value;
  const found = kept.get(row.run_id);
  if (!found || found.of !== row.updated_at) {
    wanted = [...wanted.filter((other) => other.run_id !== row.run_id).slice(-WANTED_MAX), row];
    // While a list scrolls, nothing is asked.
    clearTimeout(timer);
    timer = setTimeout(next, SETTLE_MS);
  }
  return found?.output ?? null;
}

function next(): void {
  while (asking.size < AT_ONCE_MAX) {
    const row = wanted.pop();
    if (!row) return;
    if (asking.has(row.run_id) || kept.get(row.run_id)?.of === row.updated_at) continue;
    asking.add(row.run_id);
    void api.run(row.run_id).then(({ output }) => keep(row, output ?? {}), () => keep(row, {})).finally(() => {
      asking.delete(row.run_id);
      next();
    });
  }
}

function keep(row: RunRow, output: RunOutput): void {
  // Texts of lists are short: the whole output is not kept.
  const { input, metrics, error } = output;
  kept.set(row.run_id, { of: row.updated_at, output: { input: input ?? null, ...(metrics ? { metrics } : {}), error: error ?? null } });
  const oldest = kept.keys().next().value;
  if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
  version.value += 1;
}
