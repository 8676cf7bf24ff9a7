// The scrubber: goes to any event of the run. Graph, timeline, state and output follow.

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { count, duration, timeOfDay } from "../format";
import type { Event } from "../model/types";
import { Icon } from "../ui/icons";
import { toneOfEvent } from "./events";
import type { RunStore } from "./store";

export function Scrubber({ store, goTo }: { store: RunStore; goTo: (sequence: number | null) => void }): JSX.Element {
  void store.version.value;
  const index = store.index.value;
  const { events } = store.history;
  const event = events[index];
  const last = events.length - 1;
  const step = (by: number): void => {
    // From fact to fact: the pieces of text between them are passed over.
    let at = index + by;
    while (at > 0 && at < last && events[at]!.delta !== undefined) at += by;
    goTo(at >= last ? null : (events[Math.max(at, 0)]?.sequence ?? null));
  };
  return (
    <div class="scrubber" role="group" aria-label="Go through the events of the run">
      <button class="ghost icon-button" aria-label="First event" onClick={() => goTo(0)} disabled={index <= 0}><Icon name="first" /></button>
      <button class="ghost icon-button" aria-label="Event before" onClick={() => step(-1)} disabled={index <= 0}><Icon name="left" /></button>
      <div class="scrub-track">
        <Marks events={events} version={store.version.value} />
        <input type="range" min={0} max={Math.max(last, 0)} value={index} aria-label="Event"
          style={{ "--done": `${(index / Math.max(last, 1)) * 100}%` }}
          aria-valuetext={event ? `event ${event.sequence}, ${event.event} ${event.path}` : ""}
          onInput={(input) => {
            const at = Number(input.currentTarget.value);
            goTo(at >= last ? null : events[at]!.sequence);
          }} />
      </div>
      <button class="ghost icon-button" aria-label="Event after" onClick={() => step(1)} disabled={index >= last}><Icon name="right" /></button>
      <button class="ghost icon-button" aria-label="Newest event" onClick={() => goTo(null)} disabled={index >= last}><Icon name="last" /></button>
      <div class="scrub-text">
        {event && <>
          <span class="scrub-count">{count(event.sequence)} / {count(events[last]!.sequence)}</span>
          <span class="scrub-kind">{event.event}</span>
          <span class="quiet" title={timeOfDay(event.time_ms)}>+{duration(event.time_ms - events[0]!.time_ms)}</span>
        </>}
      </div>
    </div>
  );
}

/** Failures, waits and retries above the track. Drawn at most twice a second while events come. */
function Marks({ events, version }: { events: readonly Event[]; version: number }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drawn = useRef(0);
  useEffect(() => {
    const draw = (): void => {
      drawn.current = performance.now();
      const box = canvas.current;
      const pen = box?.getContext("2d");
      if (!box || !pen) return;
      const width = (box.width = box.clientWidth * devicePixelRatio);
      const height = (box.height = box.clientHeight * devicePixelRatio);
      // The colours of the page depend on its scheme: the browser resolves them.
      const colours = new Map<string, string>();
      const colourOf = (tone: string): string => {
        if (!colours.has(tone)) {
          box.style.color = `var(--${tone})`;
          colours.set(tone, getComputedStyle(box).color);
        }
        return colours.get(tone)!;
      };
      const last = Math.max(events.length - 1, 1);
      events.forEach((event, at) => {
        const tone = toneOfEvent(event);
        if (!tone || tone === "completed") return;
        pen.fillStyle = colourOf(tone === "retry" ? "paused" : tone);
        pen.fillRect(Math.round((at / last) * (width - 2)), 0, 2 * devicePixelRatio, height);
      });
    };
    const since = performance.now() - drawn.current;
    if (since > 500) return draw();
    const timer = setTimeout(draw, 500 - since);
    return () => clearTimeout(timer);
  }, [version]);
  return <canvas ref={canvas} class="scrub-marks" aria-hidden="true" />;
}
