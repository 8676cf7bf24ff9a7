// The events of a run as they arrived, and the fold at any of them.

import { Fold } from "./fold";
import type { Event } from "./types";

/** The least number of events between copies of past folds, and the number of copies. */
const APART = 1024;
const COPIES_MAX = 16;

/**
 * A fold changes in place and cannot go back. So copies of it are kept on the way through the past,
 * and a step back begins at the copy before it instead of at the first event.
 */
export class History {
  readonly events: Event[] = [];
  /** The fold of all events. */
  now = new Fold();
  private past: Fold | null = null;
  private pastAt = -1;
  private copies: { at: number; fold: Fold }[] = [];

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
      const copy = this.copies.findLast(({ at }) => at <= index);
      this.past = copy?.fold.copy() ?? new Fold();
      this.pastAt = copy?.at ?? -1;
    }
    const apart = Math.max(APART, Math.ceil(this.events.length / COPIES_MAX));
    while (this.pastAt < index) {
      this.pastAt += 1;
      this.past.apply(this.events[this.pastAt]!);
      const last = this.copies.at(-1)?.at ?? 0;
      if (this.pastAt >= last + apart) this.copies.push({ at: this.pastAt, fold: this.past.copy() });
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
