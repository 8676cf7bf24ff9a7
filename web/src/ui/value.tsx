// Values: texts as Markdown or as they are, JSON as a tree. Large ones show their beginning first.

import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import type { Json } from "../model/types";
import { count, textOf } from "../format";
import { Icon } from "./icons";
import { Markdown } from "./markdown";
import { tell } from "./toast";

const TEXT_MAX = 6000;
const MEMBERS_MAX = 50;

export function Value({ value, raw }: { value: Json; raw?: boolean }): JSX.Element {
  if (typeof value === "string") return <LongText text={value} raw={raw} />;
  if (value === null) return <span class="quiet">nothing</span>;
  if (typeof value !== "object") return <code class="scalar">{String(value)}</code>;
  return <div class="tree"><Members value={value} depth={0} /></div>;
}

export function LongText({ text, raw }: { text: string; raw?: boolean | undefined }): JSX.Element {
  const all = useSignal(false);
  const shown = all.value ? text : text.slice(0, TEXT_MAX);
  return (
    <>
      {raw ? <pre class="plain" tabIndex={0}>{shown}</pre> : <Markdown text={shown} />}
      {shown.length < text.length && (
        <button class="small" onClick={() => (all.value = true)}>
          Show all {count(text.length)} characters
        </button>
      )}
    </>
  );
}

function Members({ value, depth }: { value: Json; depth: number }): JSX.Element {
  const all = useSignal(false);
  if (value === null || typeof value !== "object") return <Scalar value={value} />;
  const entries: [string, Json][] = Array.isArray(value)
    ? value.map((item, at) => [String(at), item]) : Object.entries(value);
  if (entries.length === 0) return <code class="scalar">{Array.isArray(value) ? "[]" : "{}"}</code>;
  const shown = all.value ? entries : entries.slice(0, MEMBERS_MAX);
  return (
    <ul class="members">
      {shown.map(([key, item]) => (
        <li>
          {item !== null && typeof item === "object" && Object.keys(item).length > 0 ? (
            <details open={depth < 2}>
              <summary><span class="key">{key}</span><span class="quiet">{sizeOf(item)}</span></summary>
              <Members value={item} depth={depth + 1} />
            </details>
          ) : (
            <><span class="key">{key}</span> <Scalar value={item} /></>
          )}
        </li>
      ))}
      {shown.length < entries.length && (
        <li><button class="small" onClick={() => (all.value = true)}>
          Show all {count(entries.length)}
        </button></li>
      )}
    </ul>
  );
}

const sizeOf = (value: Json): string => Array.isArray(value)
  ? `[${value.length}]` : `{${Object.keys(value as object).length}}`;

function Scalar({ value }: { value: Json }): JSX.Element {
  if (typeof value === "string") {
    return <span class="text-scalar">{value.length > 400 ? `${value.slice(0, 400)}…` : value}</span>;
  }
  return <code class="scalar">{JSON.stringify(value)}</code>;
}

export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    tell(`Copied ${what}`);
  } catch {
    tell("The browser does not let this page copy", "failed");
  }
}

export function CopyButton({ value, what }: { value: Json; what: string }): JSX.Element {
  return (
    <button class="ghost icon-button" aria-label={`Copy ${what}`} title={`Copy ${what}`}
      onClick={() => void copy(textOf(value), what)}>
      <Icon name="copy" size={14} />
    </button>
  );
}

/** A part of a panel, with a heading. */
export function Section({ title, children, extra, action, open = true }: { title: string;
  children: ComponentChildren; extra?: ComponentChildren; action?: ComponentChildren; open?: boolean }): JSX.Element {
  return (
    <div class="section">
      <details open={open}>
        <summary><h3>{title}</h3>{extra && <span class="extra">{extra}</span>}</summary>
        <div class="section-body">{children}</div>
      </details>
      {action && <div class="section-action">{action}</div>}
    </div>
  );
}
