// The events of a run as they arrived, and the fold at any of them.

import { Fold } from "./fold";
import type { Event } from "./types";

/** Folds of every so many events are not kept: folding 10 000 events takes a few milliseconds. */
export class History {
  readonly events: Event[] = [];
  /** The fold of all events. */
  now = new Fold();
  private past: Fold | null = null;
  private pastAt = -1;

  get length(): number {
    return this.events.length;
  }

  /** Adds an event. One that was here before, as after a new connection, is passed over. */
  add(event: Event): boolean {
    const last = this.events.at(-1);
    if (last && !isAfter(event, last)) return false;
    this.events.push(event);
    this.now.apply(event);
    return true;
  }

  /** The fold after the event at this index; that of all events if it is the last one. */
  foldAt(index: number): Fold {
    if (index >= this.events.length - 1) return this.now;
    if (!this.past || this.pastAt > index) {
      this.past = new Fold();
      this.pastAt = -1;
    }
    while (this.pastAt < index) {
      this.pastAt += 1;
      this.past.apply(this.events[this.pastAt]!);
    }
    return this.past;
  }

  /** The index of the last event at or before this fact. */
  indexOf(sequence: number): number {
    let [low, high] = [0, this.events.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.events[middle]!.sequence <= sequence) low = middle + 1;
      else high = middle;
    }
    // The deltas after a fact have its number: the fact itself is the first of them.
    let at = low - 1;
    while (at > 0 && this.events[at]!.delta !== undefined && this.events[at - 1]!.sequence === sequence) {
      at -= 1;
    }
    return Math.max(at, 0);
  }
}

function isAfter(event: Event, last: Event): boolean {
  if (event.sequence !== last.sequence) return event.sequence > last.sequence;
  return event.delta !== undefined && event.delta > (last.delta ?? 0);
}
