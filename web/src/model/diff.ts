// The lines in which two texts differ.

export interface Line {
  kind: "same" | "removed" | "added";
  text: string;
}

/** The number of pairs of lines beyond which the middle is not searched for what both have. */
const PAIRS_MAX = 4_000_000;

export function differences(before: string, after: string): Line[] {
  const [a, b] = [before.split("\n"), after.split("\n")];
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start += 1;
  let tail = 0;
  while (tail < a.length - start && tail < b.length - start
    && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail += 1;
  const line = (kind: Line["kind"]) => (text: string): Line => ({ kind, text });
  return [
    ...a.slice(0, start).map(line("same")),
    ...middle(a.slice(start, a.length - tail), b.slice(start, b.length - tail)),
    ...a.slice(a.length - tail).map(line("same")),
  ];
}

/** The longest common subsequence, by a table. */
function middle(a: string[], b: string[]): Line[] {
  const all = (kind: Line["kind"], lines: string[]): Line[] => lines.map((text) => ({ kind, text }));
  if (a.length * b.length > PAIRS_MAX) return [...all("removed", a), ...all("added", b)];
  const width = b.length + 1;
  const table = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      table[i * width + j] = a[i] === b[j] ? table[(i + 1) * width + j + 1]! + 1
        : Math.max(table[(i + 1) * width + j]!, table[i * width + j + 1]!);
    }
  }
  const found: Line[] = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      found.push({ kind: "same", text: a[i]! });
      i += 1;
      j += 1;
    } else if (table[(i + 1) * width + j]! >= table[i * width + j + 1]!) {
      found.push({ kind: "removed", text: a[i]! });
      i += 1;
    } else {
      found.push({ kind: "added", text: b[j]! });
      j += 1;
    }
  }
  return [...found, ...all("removed", a.slice(i)), ...all("added", b.slice(j))];
}
