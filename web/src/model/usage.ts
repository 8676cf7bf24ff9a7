// Sums of tokens and money, as in `stepwright_core::{message, cost}`.

import type { Cost, Usage } from "./types";

const FIELDS = [
  "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens",
  "image_tokens",
] as const;

function combine(a: Usage, b: Usage | undefined, how: (x: number, y: number) => number): Usage {
  if (!b) return a;
  const sum: Usage = {};
  for (const field of FIELDS) {
    const [x, y] = [a[field], b[field]];
    if (x !== undefined && y !== undefined) sum[field] = how(x, y);
    else if (x !== undefined || y !== undefined) sum[field] = x ?? y;
  }
  return sum;
}

export const plus = (a: Usage, b?: Usage): Usage => combine(a, b, (x, y) => x + y);

/** Adds to a sum in place. */
export function add(sum: Usage, more: Usage): void {
  for (const field in more) {
    const key = field as keyof Usage;
    const count = more[key];
    if (count !== undefined) sum[key] = (sum[key] ?? 0) + count;
  }
}

/** Two reports that overlap: the larger numbers count. */
export const atLeast = (a: Usage, b?: Usage): Usage => combine(a, b, Math.max);

/** The part that was added to an earlier sum. */
export function since(now: Usage, before: Usage): Usage {
  const rest: Usage = {};
  for (const field of FIELDS) {
    const [x, y] = [now[field], before[field]];
    if (x !== undefined && x !== y) rest[field] = Math.max(0, x - (y ?? 0));
  }
  return rest;
}

export const tokensOf = (usage: Usage | undefined): number =>
  (usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0);

/** An amount in billionths of a US dollar, so that sums are exact. */
export interface Money {
  nano: number;
  unpriced: number;
}

export const nothing = (): Money => ({ nano: 0, unpriced: 0 });

export function addCost(sum: Money, cost: Cost | undefined): void {
  if (!cost) {
    sum.unpriced += 1;
    return;
  }
  sum.nano += Math.round(cost.usd * 1e9);
  sum.unpriced += cost.unpriced_requests ?? 0;
}
