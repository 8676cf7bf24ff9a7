// Why the failed runs of a list failed: rows do not say. The messages are asked for while their rows are
// in sight, a few at a time, and kept.

import { signal } from "@preact/signals";
import { api } from "./api";
import type { RunRow } from "./model/types";

const AT_ONCE_MAX = 4;
const KEPT_MAX = 2000;
/** The rows that were drawn last; those that scrolled by are not asked for. */
const WANTED_MAX = 40;
const SETTLE_MS = 120;

const kept = new Map<string, { of: number; message: string | null }>();
const version = signal(0);
let wanted: RunRow[] = [];
const asking = new Set<string>();
let timer: ReturnType<typeof setTimeout> | undefined;

/** The message of a failed run, once it is known. */
export function failureOf(row: RunRow): string | null {
  if (row.status !== "ERROR") return null;
  void version.value;
  const found = kept.get(row.run_id);
  if (found?.of !== row.updated_at) {
    wanted = [...wanted.filter((other) => other.run_id !== row.run_id).slice(-WANTED_MAX), row];
    // While a list scrolls, nothing is asked.
    clearTimeout(timer);
    timer = setTimeout(next, SETTLE_MS);
  }
  return found?.message ?? null;
}

function next(): void {
  while (asking.size < AT_ONCE_MAX) {
    const row = wanted.pop();
    if (!row) return;
    if (asking.has(row.run_id) || kept.get(row.run_id)?.of === row.updated_at) continue;
    asking.add(row.run_id);
    void api.run(row.run_id)
      .then(({ output }) => keep(row, output.error?.error?.message ?? null), () => keep(row, null))
      .finally(() => {
        asking.delete(row.run_id);
        next();
      });
  }
}

function keep(row: RunRow, message: string | null): void {
  kept.set(row.run_id, { of: row.updated_at, message });
  const oldest = kept.keys().next().value;
  if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
  version.value += 1;
}
