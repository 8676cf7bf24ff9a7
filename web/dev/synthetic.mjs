// Made-up data for measurements: a run with many events, and a list with many rows.

const DIGEST = "0".repeat(64);

/** A run of about so many events: a map whose items ask a model, and some of which fail once. */
export function bigRun(count, begin) {
  const events = [];
  let time = begin;
  const fact = (event, path, more = {}) => {
    events.push({ sequence: events.length, time_ms: (time += 7), run_id: "big", path,
      step_name: path.split("/").pop(), event, ...more });
  };
  const items = Math.max(1, Math.floor((count - 4) / 8));
  fact("WorkflowStarted", "", { workflow_id: "pages", workflow_name: "Many pages", digest: DIGEST,
    session_id: "s-big", input: { content: "all pages" } });
  fact("MapExecutionStarted", "pages", { items: [], concurrency: 8 });
  for (let at = 0; at < items; at += 8) {
    const open = Array.from({ length: Math.min(8, items - at) }, (_, by) => at + by + 1);
    const each = (event, path, more) => open.forEach((item) => fact(event, `pages#${item}${path}`, more(item)));
    each("MapItemStarted", "", (item) => ({ item }));
    each("StepStarted", "/page", () => ({ executor_type: "agent", executor_name: "writer" }));
    each("RunStarted", "/page", (item) => ({ agent: "writer", model: "openai:gpt-5-mini", message: `Page ${item}` }));
    each("ModelRequestStarted", "/page", () => ({ turn: 1 }));
    each("ModelRequestCompleted", "/page", (item) => ({ turn: 1, stop: "end_turn",
      answer: { parts: [{ type: "text", text: `This is page ${item}. It has a few words.` }] },
      usage: { input_tokens: 200 + item, output_tokens: 40 }, cost: { usd: 0.0003 } }));
    each("RunCompleted", "/page", (item) => ({ content: `This is page ${item}.` }));
    each("StepCompleted", "/page", (item) => ({ output: { content: `This is page ${item}. It has a few words.`,
      usage: { input_tokens: 200 + item, output_tokens: 40 } } }));
    each("MapItemCompleted", "", (item) => ({ item, status: "completed" }));
  }
  fact("MapExecutionCompleted", "pages", { status: "completed" });
  fact("WorkflowCompleted", "", { content: `${items} pages` });
  return events;
}

const NAMES = ["Blog", "Triage", "Research desk", "Digest", "Invoices", "Code review"];
const STATUSES = ["COMPLETED", "COMPLETED", "COMPLETED", "COMPLETED", "ERROR", "CANCELLED", "PAUSED"];

export function manyRows(count, now) {
  return Array.from({ length: count }, (_, at) => {
    const name = NAMES[at % NAMES.length];
    const status = STATUSES[(at * 7 + (at >> 3)) % STATUSES.length];
    const took = 800 + ((at * 7919) % 240_000);
    const created_at = now - 6_000_000 - at * 1_201_000;
    const number = count - at;
    const tokens = 300 + ((number * 104_729) % 48_000);
    return { run_id: `run-${String(number).padStart(6, "0")}`, session_id: `s-${at % 900}`, user_id: null,
      workflow_id: name.toLowerCase().replace(" ", "-"), digest: DIGEST, status, created_at,
      updated_at: created_at + took, wake_at: null, background: true, driver: null, origin: null,
      input: `Question ${number} of the day`, tokens, cost: number % 97 === 0 ? null : tokens * 2.1e-6 };
  });
}

export function outputOfRow({ input, tokens, cost, status, created_at, updated_at }) {
  return { input, content: null, metrics: { duration_ms: updated_at - created_at, cost: { usd: cost ?? 0 },
    usage: { input_tokens: tokens - Math.floor(tokens / 7), output_tokens: Math.floor(tokens / 7) } },
    ...(status === "ERROR" ? { error: { error: { code: "model", message: "the model is busy: 429" } } } : {}) };
}
