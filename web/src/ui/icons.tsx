// Small pictures, each with a shape of its own, so that colour is never the only sign.

import type { JSX } from "preact";
import type { RunStatus, StepStatus } from "../model/types";

const PATHS: { [name: string]: string } = {
  check: "M3.5 8.5l3 3 6-7",
  cross: "M4.5 4.5l7 7m0-7l-7 7",
  pause: "M6 4.5v7M10 4.5v7",
  dash: "M4 8h8",
  ban: "M4 12L12 4",
  turn: "M8 3a5 5 0 1 1-4.6 3",
  play: "M5.5 4v8l6.5-4z",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM13.5 13.5l-3.3-3.3",
  sun: "M8 10.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM8 2v1.5M8 12.5V14M2 8h1.5M12.5 8H14M3.8 3.8l1 1M11.2 11.2l1 1M3.8 12.2l1-1M11.2 4.8l1-1",
  moon: "M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5z",
  left: "M10 3.5L5.5 8l4.5 4.5",
  right: "M6 3.5L10.5 8 6 12.5",
  first: "M11.5 3.5L7 8l4.5 4.5M4.5 3.5v9",
  last: "M4.5 3.5L9 8l-4.5 4.5M11.5 3.5v9",
  down: "M3.5 6L8 10.5 12.5 6",
  runs: "M2.5 4h11M2.5 8h11M2.5 12h7",
  inbox: "M2.5 9.5l2-6h7l2 6v3h-11zM2.5 9.5H6l.8 1.5h2.4L10 9.5h3.5",
  flow: "M3 3h4v3H3zM9 10h4v3H9zM5 6v2.5h6V10",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.8V8l2.2 1.6",
  spend: "M3 13V9M6.5 13V5M10 13V7M13.5 13V3",
  chat: "M2.5 3.5h11v7H7l-3 2.5v-2.5H2.5z",
  export: "M8 2.5v7M5 7l3 3 3-3M3 12.5h10",
  fork: "M5 3.5v9M5 9c0-3 6-1.5 6-5.5M5 3.5h.01M11 3.5h.01M5 12.5h.01",
  retry: "M12.5 8A4.5 4.5 0 1 1 11 4.7M12.5 2.5v3h-3",
  copy: "M5.5 5.5h7v7h-7zM3.5 10V3.5H10",
  help: "M6 6a2 2 0 1 1 2.6 1.9c-.4.2-.6.5-.6 1v.4M8 11.6h.01",
  compare: "M3 3.5h4v9H3zM9 3.5h4v9H9z",
  send: "M3 8h9M8.5 4L12.5 8l-4 4",
  tool: "M9.5 6.5l-6 6M12.5 5a2.5 2.5 0 0 1-3.4 2.3A2.5 2.5 0 0 1 11 3.5",
  key: "M6 10.5a2.5 2.5 0 1 1 0-5 2.5 2.5 0 0 1 0 5zM8.5 8h5v2M11.5 8v1.5",
  close: "M4 4l8 8M12 4l-8 8",
};

export function Icon({ name, size = 16 }: { name: string; size?: number }): JSX.Element {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 16 16" fill="none"
      stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"
      aria-hidden="true">
      <path d={PATHS[name] ?? ""} />
    </svg>
  );
}

export type Tone = "running" | "completed" | "failed" | "paused" | "skipped" | "cancelled" | "idle";

const ICONS: { [tone in Tone]: string } = {
  running: "turn", completed: "check", failed: "cross", paused: "pause", skipped: "dash",
  cancelled: "ban", idle: "",
};

export function toneOf(status: RunStatus | StepStatus): Tone {
  switch (status) {
    case "COMPLETED": return "completed";
    case "ERROR": return "failed";
    case "PAUSED": return "paused";
    case "CANCELLED": return "cancelled";
    case "RUNNING": return "running";
    case "PENDING": return "idle";
    default: return status;
  }
}

/** The mark of a status: a coloured disc with a shape. */
export function Mark({ tone, label }: { tone: Tone; label?: string }): JSX.Element {
  return (
    <span class={`mark ${tone}`} role={label ? "img" : undefined} aria-label={label}
      aria-hidden={label ? undefined : "true"}>
      {ICONS[tone] && <Icon name={ICONS[tone]} size={12} />}
    </span>
  );
}

const WORDS: { [status: string]: string } = {
  PENDING: "Queued", RUNNING: "Running", PAUSED: "Waiting", COMPLETED: "Completed",
  CANCELLED: "Cancelled", ERROR: "Failed",
};
export const wordOf = (status: RunStatus): string => WORDS[status] ?? status;

export function StatusPill({ status }: { status: RunStatus }): JSX.Element {
  const tone = toneOf(status);
  return <span class={`pill ${tone}`}><Mark tone={tone} />{wordOf(status)}</span>;
}
