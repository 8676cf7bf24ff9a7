// Paths of executions, as in `stepwright_core::path`.

/** The path of the enclosing node: the turn for a step of a loop, the loop for a turn. */
export function parentOf(path: string): string | null {
  if (path === "") return null;
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("#"));
  return path.slice(0, Math.max(cut, 0));
}

/** The path without its last segment: the step that makes a call. */
export function callerOf(path: string): string | null {
  if (path === "") return null;
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}

/** True if `other` is this node or inside it. */
export function contains(path: string, other: string): boolean {
  if (path === "") return true;
  if (!other.startsWith(path)) return false;
  const next = other[path.length];
  return next === undefined || next === "/" || next === "#";
}

/** The last segment, without a number. */
export function nameOf(path: string): string {
  const segment = path.slice(path.lastIndexOf("/") + 1);
  const cut = segment.indexOf("#");
  return cut < 0 ? segment : segment.slice(0, cut);
}

/** The number of the turn, item or call in the last segment. */
export function numberOf(path: string): number | null {
  const segment = path.slice(path.lastIndexOf("/") + 1);
  const cut = segment.indexOf("#");
  return cut < 0 ? null : Number(segment.slice(cut + 1));
}

/** The path with all numbers of turns, items and calls taken out: its place in the plan. */
export function planPathOf(path: string): string {
  return path.replace(/#\d+/g, "");
}
