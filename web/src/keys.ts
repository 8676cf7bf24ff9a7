// Keys of the whole page.

/** True for keys that belong to a field, or to the browser. */
export function isForField(key: KeyboardEvent): boolean {
  if (key.ctrlKey || key.metaKey || key.altKey || key.defaultPrevented) return true;
  const target = key.target as HTMLElement | null;
  return target !== null && (target.isContentEditable
    || /^(INPUT|TEXTAREA|SELECT|DIALOG)$/.test(target.tagName) || target.closest("dialog") !== null);
}

export const KEYS: [string, string][] = [
  ["g r", "runs"], ["g i", "inbox"], ["g w", "workflows"], ["g c", "chat"],
  ["g s", "schedules"], ["g p", "spend"],
  ["/", "search"], ["j k", "next and previous row"], ["Enter", "open the row"],
  ["h l", "close and open a row of the timeline"], ["[ ]", "previous and next event"],
  ["1 2 3 4", "timeline, graph, events, output"], ["Esc", "close the details"], ["?", "these keys"],
];
