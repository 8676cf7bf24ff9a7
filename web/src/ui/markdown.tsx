// Markdown of models as elements. Texts become text nodes, so that nothing in them is markup of
// the page; links lead nowhere by themselves, because a model wrote them.

import type { ComponentChildren, JSX } from "preact";

const INLINE = /(`[^`\n]+`)|(\*\*[^*\n]+\*\*)|(\*[^*\s][^*\n]*\*|_[^_\s][^_\n]*_)|\[([^\]\n]+)\]\(([^)\s]+)\)/g;

function inline(text: string): ComponentChildren[] {
  const found: ComponentChildren[] = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > at) found.push(text.slice(at, match.index));
    const [whole, code, strong, emphasis, label, address] = match;
    if (code) found.push(<code>{code.slice(1, -1)}</code>);
    else if (strong) found.push(<strong>{inline(strong.slice(2, -2))}</strong>);
    else if (emphasis) found.push(<em>{emphasis.slice(1, -1)}</em>);
    else found.push(<span class="link-text" title={address}>{label}</span>);
    at = match.index + whole.length;
  }
  if (at < text.length) found.push(text.slice(at));
  return found;
}

const cells = (line: string): string[] =>
  line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

const LIST = /^\s*([-*+]|\d+[.)])\s+/;

export function Markdown({ text }: { text: string }): JSX.Element {
  const blocks: ComponentChildren[] = [];
  const lines = text.split("\n");
  let at = 0;
  while (at < lines.length) {
    const line = lines[at]!;
    const heading = /^(#{1,6})\s+(.*)$/.exec(line);
    if (line.trim() === "") {
      at += 1;
    } else if (line.startsWith("```")) {
      const end = lines.findIndex((other, index) => index > at && other.startsWith("```"));
      const stop = end < 0 ? lines.length : end;
      blocks.push(<pre tabIndex={0}><code>{lines.slice(at + 1, stop).join("\n")}</code></pre>);
      at = stop + 1;
    } else if (heading) {
      // The headings of a text are below those of the page.
      blocks.push(<p class={`md-h md-h${heading[1]!.length}`}>{inline(heading[2]!)}</p>);
      at += 1;
    } else if (/^\s*\|.*\|\s*$/.test(line) && /^\s*\|[\s:|-]+\|\s*$/.test(lines[at + 1] ?? "")) {
      const head = cells(line);
      const rows: string[][] = [];
      for (at += 2; at < lines.length && /^\s*\|/.test(lines[at]!); at += 1) rows.push(cells(lines[at]!));
      blocks.push(
        <table class="md-table">
          <thead><tr>{head.map((cell) => <th scope="col">{inline(cell)}</th>)}</tr></thead>
          <tbody>{rows.map((row) => <tr>{row.map((cell) => <td>{inline(cell)}</td>)}</tr>)}</tbody>
        </table>,
      );
    } else if (LIST.test(line)) {
      const ordered = /^\s*\d/.test(line);
      const items: ComponentChildren[] = [];
      for (; at < lines.length && LIST.test(lines[at]!); at += 1) {
        items.push(<li>{inline(lines[at]!.replace(LIST, ""))}</li>);
      }
      blocks.push(ordered ? <ol>{items}</ol> : <ul>{items}</ul>);
    } else if (line.startsWith(">")) {
      const quoted: string[] = [];
      for (; at < lines.length && lines[at]!.startsWith(">"); at += 1) quoted.push(lines[at]!.slice(1).trim());
      blocks.push(<blockquote>{inline(quoted.join(" "))}</blockquote>);
    } else {
      const paragraph: string[] = [];
      for (; at < lines.length && lines[at]!.trim() !== "" && !/^(#{1,6}\s|```|>)/.test(lines[at]!)
        && !(paragraph.length > 0 && LIST.test(lines[at]!)); at += 1) paragraph.push(lines[at]!);
      blocks.push(<p>{inline(paragraph.join("\n"))}</p>);
    }
  }
  return <div class="markdown">{blocks}</div>;
}
