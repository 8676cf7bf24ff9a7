// The scale of the timeline: time in which the whole run waited is short on it, however long it was.

import type { Fold } from "../model/fold";

export interface Gap {
  from: number;
  to: number;
}

export interface Scale {
  begin: number;
  end: number;
  gaps: Gap[];
  /** The place of a moment, from 0 to 1. */
  at: (time: number) => number;
  /** Marks at round times, as places and milliseconds since the beginning. */
  ticks: { place: number; ms: number }[];
}

/** The share of the width that a gap keeps. */
const GAP_SHARE = 0.035;

export function scaleOf(fold: Fold, now: number, compress: boolean): Scale {
  const begin = fold.begunAt;
  const paused = fold.pauses.map((pause) => ({ from: pause.from, to: pause.to ?? now }));
  const end = Math.max(fold.ended ? fold.endedAt : now, begin + 1);
  const idle = paused.reduce((sum, gap) => sum + Math.max(0, gap.to - gap.from), 0);
  const active = Math.max(end - begin - idle, 1);
  const gaps = compress
    ? paused.filter((gap) => gap.to - gap.from > active * GAP_SHARE * 2) : [];
  const hidden = gaps.reduce((sum, gap) => sum + gap.to - gap.from, 0);
  const width = Math.max(1 - gaps.length * GAP_SHARE, 0.3);
  const share = (1 - width) / Math.max(gaps.length, 1);
  const rest = Math.max(end - begin - hidden, 1);
  const at = (time: number): number => {
    let elapsed = Math.min(Math.max(time, begin), end) - begin;
    let place = 0;
    for (const gap of gaps) {
      if (time <= gap.from) break;
      const inside = Math.min(time, gap.to) - gap.from;
      elapsed -= inside;
      place += share * (inside / (gap.to - gap.from));
    }
    return Math.min(place + (elapsed / rest) * width, 1);
  };
  return { begin, end, gaps, at, ticks: ticksOf(begin, rest, gaps, at) };
}

function ticksOf(begin: number, rest: number, gaps: Gap[], at: (time: number) => number): Scale["ticks"] {
  const rough = rest / 5;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough) ?? rough;
  const ticks: Scale["ticks"] = [];
  for (let active = 0; active <= rest; active += step) {
    let time = begin + active;
    for (const gap of gaps) if (time >= gap.from) time += gap.to - gap.from;
    const place = at(time);
    const before = ticks.at(-1);
    const hidden = gaps.some((gap) => place > at(gap.from) - 0.07 && place < at(gap.to));
    if (place <= 0.92 && !hidden && (!before || place - before.place > 0.06)) ticks.push({ place, ms: time - begin });
  }
  return ticks;
}
