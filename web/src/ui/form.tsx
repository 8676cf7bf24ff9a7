// A form made from a JSON Schema. What a schema has beyond this is edited as JSON, and the server
// checks every answer itself.

import { signal, type Signal } from "@preact/signals";
import type { JSX } from "preact";
import { useId, useMemo } from "preact/hooks";
import type { Json, Members, Schema } from "../model/types";

/** The value that a form begins with. */
export function initial(schema: Schema | undefined): Json {
  if (!schema) return "";
  if (schema.default !== undefined) return structuredClone(schema.default);
  if (schema.const !== undefined) return schema.const;
  switch (typeOf(schema)) {
    case "object": {
      const members: Members = {};
      for (const [name, inner] of Object.entries(schema.properties ?? {})) {
        const required = schema.required?.includes(name);
        const value = initial(inner);
        if (required || inner.default !== undefined || typeOf(inner) === "boolean") members[name] = value;
      }
      return members;
    }
    case "boolean": return false;
    case "string": return schema.enum ? (schema.enum[0] ?? "") : "";
    case "array": return [];
    default: return null;
  }
}

export function typeOf(schema: Schema): string {
  const type = Array.isArray(schema.type)
    ? schema.type.find((name) => name !== "null") : schema.type;
  if (type) return type;
  if (schema.properties) return "object";
  if (schema.enum) return "string";
  return "any";
}

/** The first mistake in a value, or null. */
export function mistake(schema: Schema | undefined, value: Json, at = ""): string | null {
  if (!schema) return null;
  const name = schema.title ?? (at || "The value");
  const type = typeOf(schema);
  if (type === "object" && value !== null && typeof value === "object" && !Array.isArray(value)) {
    for (const key of schema.required ?? []) {
      const inner = schema.properties?.[key];
      const found = value[key];
      if (found === undefined || found === null || found === "") {
        return `${inner?.title ?? key} is required`;
      }
    }
    for (const [key, inner] of Object.entries(schema.properties ?? {})) {
      const found = value[key];
      if (found === undefined) continue;
      const wrong = mistake(inner, found, key);
      if (wrong) return wrong;
    }
    return null;
  }
  if (schema.enum && !schema.enum.some((one) => JSON.stringify(one) === JSON.stringify(value))) {
    return `${name} must be one of ${schema.enum.map((one) => JSON.stringify(one)).join(", ")}`;
  }
  if (type === "string" && typeof value === "string") {
    if (schema.minLength !== undefined && value.length < schema.minLength) {
      return schema.minLength === 1 ? `${name} is empty`
        : `${name} needs at least ${schema.minLength} characters`;
    }
    if (schema.maxLength !== undefined && value.length > schema.maxLength) {
      return `${name} has ${value.length} characters; at most ${schema.maxLength} are allowed`;
    }
  }
  if (type === "number" || type === "integer") {
    if (typeof value !== "number" || Number.isNaN(value)) return `${name} must be a number`;
    if (type === "integer" && !Number.isInteger(value)) return `${name} must be a whole number`;
    if (schema.minimum !== undefined && value < schema.minimum) {
      return `${name} must be at least ${schema.minimum}`;
    }
    if (schema.maximum !== undefined && value > schema.maximum) {
      return `${name} must be at most ${schema.maximum}`;
    }
  }
  return null;
}

interface Props {
  schema: Schema | undefined;
  value: Signal<Json>;
  label: string;
}

export function SchemaForm({ schema, value, label }: Props): JSX.Element {
  return <Field schema={schema ?? { type: "string" }} name={label} value={value.value} required
    change={(next) => (value.value = next ?? null)} top />;
}

interface FieldProps {
  schema: Schema;
  name: string;
  value: Json | undefined;
  required: boolean;
  change: (value: Json | undefined) => void;
  top?: boolean;
}

function Field({ schema, name, value, required, change, top }: FieldProps): JSX.Element {
  const id = useId();
  const type = typeOf(schema);
  const title = schema.title ?? name;
  const hint = schema.description;
  const label = (
    <label for={id}>{title}{required && !top && <span class="required" aria-hidden="true"> *</span>}</label>
  );
  const note = hint && <p class="hint" id={`${id}-hint`}>{hint}</p>;
  const common = { id, required, "aria-describedby": hint ? `${id}-hint` : undefined };

  if (type === "object" && schema.properties) {
    const members = (value ?? {}) as Members;
    const inner = Object.entries(schema.properties).map(([key, part]) => (
      <Field key={key} schema={part} name={key} value={members[key]}
        required={schema.required?.includes(key) ?? false}
        change={(next) => {
          const changed = { ...members };
          if (next === undefined) delete changed[key];
          else changed[key] = next;
          change(changed);
        }} />
    ));
    if (top) return <div class="form">{inner}</div>;
    return <fieldset class="form"><legend>{title}</legend>{note}{inner}</fieldset>;
  }
  if (schema.enum) {
    const options = schema.enum;
    const at = options.findIndex((one) => JSON.stringify(one) === JSON.stringify(value));
    return (
      <div class="field">{label}{note}
        <select {...common} value={String(at)} onChange={(event) => {
          const chosen = Number(event.currentTarget.value);
          change(chosen < 0 ? undefined : options[chosen]);
        }}>
          {(!required || at < 0) && <option value="-1">–</option>}
          {options.map((one, index) => (
            <option key={index} value={String(index)}>{typeof one === "string" ? one : JSON.stringify(one)}</option>
          ))}
        </select>
      </div>
    );
  }
  switch (type) {
    case "boolean":
      return (
        <div class="field check">
          <input {...common} required={false} type="checkbox" checked={value === true}
            onChange={(event) => change(event.currentTarget.checked)} />
          {label}{note}
        </div>
      );
    case "number": case "integer":
      return (
        <div class="field">{label}{note}
          <input {...common} type="number" inputMode="decimal" value={value === undefined || value === null ? "" : String(value)}
            min={schema.minimum} max={schema.maximum} step={type === "integer" ? 1 : "any"}
            onInput={(event) => {
              const text = event.currentTarget.value;
              change(text === "" ? undefined : Number(text));
            }} />
        </div>
      );
    case "string": {
      const text = typeof value === "string" ? value : "";
      const long = top || (schema.maxLength ?? 0) > 200 || text.length > 60;
      const input = (event: { currentTarget: HTMLInputElement | HTMLTextAreaElement }): void => {
        const next = event.currentTarget.value;
        change(next === "" && !required ? undefined : next);
      };
      return (
        <div class="field">{label}{note}
          {long ? <textarea {...common} rows={top ? 4 : 3} value={text} onInput={input} />
            : <input {...common} type="text" value={text} maxLength={schema.maxLength} onInput={input} />}
        </div>
      );
    }
    default:
      return <JsonField id={id} label={label} note={note} value={value} change={change} />;
  }
}

function JsonField({ id, label, note, value, change }: { id: string; label: JSX.Element;
  note: JSX.Element | string | undefined; value: Json | undefined;
  change: (value: Json | undefined) => void }): JSX.Element {
  const text = useMemo(() => signal(value === undefined ? "" : JSON.stringify(value, null, 2)), []);
  const wrong = useMemo(() => signal<string | null>(null), []);
  return (
    <div class="field">{label}{note}
      <textarea id={id} rows={4} class="mono" value={text.value} spellcheck={false}
        aria-invalid={wrong.value !== null}
        onInput={(event) => {
          text.value = event.currentTarget.value;
          try {
            change(text.value.trim() === "" ? undefined : (JSON.parse(text.value) as Json));
            wrong.value = null;
          } catch {
            wrong.value = "This is not JSON";
          }
        }} />
      {wrong.value && <p class="error-text">{wrong.value}</p>}
    </div>
  );
}
