// Short messages at the edge of the page, which screen readers read out.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { Problem } from "../api";

interface Toast {
  id: number;
  text: string;
  tone: string;
}

const toasts = signal<Toast[]>([]);
let next = 0;

export function tell(text: string, tone = "completed"): void {
  const toast = { id: next, text, tone };
  next += 1;
  toasts.value = [...toasts.value, toast];
  setTimeout(() => {
    toasts.value = toasts.value.filter((other) => other.id !== toast.id);
  }, tone === "failed" ? 8000 : 3500);
}

export const explain = (error: unknown): string => error instanceof Problem
  ? [error.message, error.detail, error.help && `help: ${error.help}`].filter(Boolean).join(" – ")
  : String(error instanceof Error ? error.message : error);

/** Runs what a button does, and says so if it fails. */
export async function attempt(work: () => Promise<unknown>, done?: string): Promise<boolean> {
  try {
    await work();
    if (done) tell(done);
    return true;
  } catch (error) {
    tell(explain(error), "failed");
    return false;
  }
}

export function Toasts(): JSX.Element {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => <div key={toast.id} class={`toast ${toast.tone}`}>{toast.text}</div>)}
    </div>
  );
}
