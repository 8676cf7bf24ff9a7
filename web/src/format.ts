// Numbers, times and texts for people.

import { tokensOf as sumOf, type Money } from "./model/usage";
import type { Json, RunRow, Usage } from "./model/types";

export function duration(ms: number): string {
  if (ms < 0) return "0 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const units: [number, string][] = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"], [1000, "s"]];
  const at = units.findIndex(([size]) => ms >= size);
  const [size, unit] = units[at]!;
  const next = units[at + 1];
  const whole = Math.floor(ms / size);
  const rest = next ? Math.floor((ms % size) / next[0]) : 0;
  return rest && next ? `${whole} ${unit} ${rest} ${next[1]}` : `${whole} ${unit}`;
}

const digits = new Intl.NumberFormat("en");
export const count = (number: number): string => digits.format(number);
export const plural = (number: number, one: string, many = `${one}s`): string =>
  `${count(number)} ${number === 1 ? one : many}`;

export function tokens(usage: Usage | undefined): string {
  const sum = sumOf(usage);
  return sum === 0 ? "–" : short(sum);
}

/** The tokens of a row; nothing if the server cannot tell. */
export const tokensOf = ({ tokens }: RunRow): string =>
  tokens === null ? "" : tokens === 0 ? "–" : short(tokens);

export function short(number: number): string {
  if (number < 10_000) return count(number);
  if (number < 1_000_000) return `${(number / 1000).toFixed(1)}k`;
  return `${(number / 1_000_000).toFixed(1)}M`;
}

export function money({ nano, unpriced }: Money): string {
  if (nano === 0) return unpriced ? "unpriced" : "–";
  const usd = nano / 1e9;
  const text = usd >= 0.01 ? usd.toFixed(2) : usd.toPrecision(2);
  return `$${text}${unpriced ? "+" : ""}`;
}

/** The cost of a row; nothing if the server cannot tell. */
export const costOf = ({ tokens, cost }: RunRow): string =>
  tokens === null ? "" : cost === null ? "unpriced" : money({ nano: Math.round(cost * 1e9), unpriced: 0 });

const clock = new Intl.DateTimeFormat("en-GB",
  { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });
const day = new Intl.DateTimeFormat("en-GB",
  { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const dayOfYear = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const whole = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "medium" });

export const timeOfDay = (ms: number): string => clock.format(ms);
export const moment = (ms: number): string => day.format(ms);
export const date = (ms: number): string => dayOfYear.format(ms);
export const exact = (ms: number): string => whole.format(ms);

export function ago(ms: number, now: number): string {
  const past = now - ms;
  if (Math.abs(past) < 5000) return "just now";
  const text = roughly(Math.abs(past));
  return past > 0 ? `${text} ago` : `in ${text}`;
}

function roughly(ms: number): string {
  if (ms < 60_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  if (ms < 86_400_000) return `${Math.round(ms / 3_600_000)} h`;
  return `${Math.round(ms / 86_400_000)} d`;
}

/** A value as text: a text as it stands, anything else as JSON. */
export const textOf = (value: Json | undefined): string =>
  typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value, null, 2);

/** The beginning of a value, on one line. */
export function excerpt(value: Json | undefined, size = 120): string {
  const text = (typeof value === "string" ? value : (JSON.stringify(value) ?? ""))
    .slice(0, size * 4).replace(/\s+/g, " ").trim();
  return text.length > size ? `${text.slice(0, size)}…` : text;
}
