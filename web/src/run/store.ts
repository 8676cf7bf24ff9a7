// A run as the page sees it: its events, which arrive while it goes on, and the moment that is
// shown, which may be in the past.

import { computed, signal } from "@preact/signals";
import { api, follow } from "../api";
import { History } from "../model/history";
import type { Fold } from "../model/fold";
import type { Event, Plan, RunRow } from "../model/types";
import { embedded } from "../embedded";
import { explain } from "../ui/toast";

export class RunStore {
  readonly history = new History();
  readonly version = signal(0);
  readonly loading = signal(true);
  readonly connected = signal(false);
  readonly error = signal<string | null>(null);
  readonly row = signal<RunRow | null>(null);
  readonly plan = signal<Plan | null>(null);
  /** The number of the fact that is shown, or null for the present. */
  readonly at = signal<number | null>(null);
  private abort = new AbortController();
  private scheduled = false;

  constructor(readonly id: string) {
    void this.load();
  }

  /** The index of the event that is shown. */
  readonly index = computed(() => {
    void this.version.value;
    const at = this.at.value;
    return at === null ? this.history.length - 1 : this.history.indexOf(at);
  });

  /**
   * The fold at the moment that is shown. A fold changes in place, and components are drawn again
   * only for new values: so this is a new value whenever there is something new to see.
   */
  private readonly view = computed<Fold>(() => {
    void this.version.value;
    return Object.create(this.history.foldAt(this.index.value)) as Fold;
  });

  get fold(): Fold {
    return this.view.value;
  }

  get isPast(): boolean {
    return this.index.value < this.history.length - 1;
  }

  private changed(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    // One drawing for all events that came since the last one. Pages out of sight draw nothing.
    const draw = (): void => {
      this.scheduled = false;
      this.version.value += 1;
    };
    if (document.hidden) setTimeout(draw, 500);
    else requestAnimationFrame(draw);
  }

  private take = (event: Event): void => {
    if (this.history.add(event)) this.changed();
  };

  private async load(): Promise<void> {
    const kept = embedded();
    if (kept) {
      this.row.value = kept.run ?? null;
      this.plan.value = kept.plan ?? null;
      for (const event of kept.events) this.history.add(event);
      this.loading.value = false;
      this.version.value += 1;
      return;
    }
    try {
      await this.refresh();
      let after: number | null | undefined;
      do {
        const page = await api.events(this.id, after ?? undefined);
        for (const event of page.events) this.history.add(event);
        this.version.value += 1;
        this.loading.value = false;
        after = page.events.length > 0 ? page.next : null;
      } while (after !== null && after !== undefined && !this.abort.signal.aborted);
      await this.live();
    } catch (error) {
      this.error.value = explain(error);
    } finally {
      this.loading.value = false;
    }
  }

  /** Follows the run until it has ended. */
  async live(): Promise<void> {
    if (this.history.now.ended || this.abort.signal.aborted) return;
    await follow(this.id, this.history.now.next - 1, this.take,
      (connected) => (this.connected.value = connected), this.abort.signal);
    this.connected.value = false;
    await this.refresh();
  }

  private async refresh(): Promise<void> {
    const detail = await api.run(this.id);
    this.row.value = detail.run;
    if (detail.plan) this.plan.value = detail.plan;
    else if (!this.plan.value && detail.run.workflow_id) {
      const workflow = await api.workflow(detail.run.workflow_id).catch(() => null);
      this.plan.value = workflow?.plan ?? null;
    }
  }

  close(): void {
    this.abort.abort();
  }
}
