// All events of a run, with their whole JSON.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { excerpt, timeOfDay } from "../format";
import type { Event, Json } from "../model/types";
import { VirtualList } from "../ui/virtual";
import { CopyButton, Value } from "../ui/value";
import type { RunStore } from "./store";

const wanted = signal("");
const deltas = signal(false);
const HEIGHT = 28;

export function toneOfEvent(event: Event): string {
  const kind = event.event;
  if (/Error$/.test(kind)) return "failed";
  if (/Paused$|Review$/.test(kind)) return "paused";
  if (/Retr/.test(kind)) return "retry";
  if (/Cancelled$|Skipped$/.test(kind)) return "cancelled";
  if (kind === "WorkflowCompleted") return "completed";
  return "";
}

export function EventList({ store, goTo, current }: { store: RunStore; current: Event | undefined;
  goTo: (sequence: number) => void }): JSX.Element {
  void store.version.value;
  const text = wanted.value.toLowerCase();
  const shown = store.history.events.filter((event) =>
    (deltas.value || event.delta === undefined)
    && (text === "" || `${event.event} ${event.path}`.toLowerCase().includes(text)));
  const at = current ? shown.findIndex((event) => event.sequence === current.sequence) : -1;
  return (
    <div class="events">
      <div class="tl-tools">
        <input type="search" placeholder="Filter by kind or path" aria-label="Filter events by kind or path"
          value={wanted.value} onInput={(event) => (wanted.value = event.currentTarget.value)} />
        <label class="inline"><input type="checkbox" checked={deltas.value}
          onChange={() => (deltas.value = !deltas.value)} /> Pieces of text</label>
        <span class="grow" /><span class="quiet">{shown.length}</span>
      </div>
      <VirtualList count={shown.length} height={HEIGHT} label="Events of the run" show={at} class="event-rows"
        row={(index) => {
          const event = shown[index]!;
          return (
            <button class={`event-row ${toneOfEvent(event)}${event.sequence === current?.sequence ? " selected" : ""}`}
              onClick={() => goTo(event.sequence)}>
              <span class="seq">{event.delta === undefined ? event.sequence : `${event.sequence}.${event.delta}`}</span>
              <span class="kind">{event.event}</span>
              <span class="at">{event.path}</span>
              <time>{timeOfDay(event.time_ms)}</time>
            </button>
          );
        }} />
    </div>
  );
}

export function EventDetail({ event }: { event: Event }): JSX.Element {
  const { sequence, delta, time_ms, run_id, path, step_name, event: kind, ...rest } = event;
  return (
    <div class="event-detail">
      <header class="row"><strong>{kind}</strong><span class="quiet">#{sequence} {excerpt(path)}</span><span class="grow" />
        <CopyButton value={event as unknown as Json} what="the event" /></header>
      <Value value={rest as unknown as Json} />
    </div>
  );
}
