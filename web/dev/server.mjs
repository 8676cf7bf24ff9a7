// A stand-in for `stepwright serve`, for development and tests of the page only: it serves the built
// files under the real content-security policy and replays recorded streams. It executes nothing.
//   node dev/server.mjs [--port 7778] [--rows 100000] [--big 10000]
import { createServer } from "node:http";
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bigRun, manyRows, outputOfRow } from "./synthetic.mjs";

const crate = new URL("../../crates/stepwright-viewer/", import.meta.url);
const fixtures = new URL("../fixtures/", import.meta.url);
const source = readFileSync(new URL("src/lib.rs", crate), "utf8");
const policy = /CONTENT_SECURITY_POLICY: &str = "([^;]*;[^"]*)"/s.exec(source)[1]
  .replace(/\\\n\s*/g, "");
const TYPES = { html: "text/html; charset=utf-8", js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8", svg: "image/svg+xml" };

const read = (name) => readFileSync(new URL(`${name}.jsonl`, fixtures), "utf8").trim().split("\n")
  .map((line) => JSON.parse(line));

/** The same stream as another run, as if it had begun at this time. */
function shifted(events, id, begin) {
  const by = begin - events[0].time_ms;
  return events.map((event) => {
    const moved = { ...event, run_id: id, time_ms: event.time_ms + by };
    if (moved.until) moved.until += by;
    if (moved.requirement?.due) moved.requirement = { ...moved.requirement, due: moved.requirement.due + by };
    return moved;
  });
}

const STATUS = { WorkflowCompleted: "COMPLETED", WorkflowError: "ERROR", WorkflowCancelled: "CANCELLED",
  WorkflowPaused: "PAUSED", WorkflowStarted: "RUNNING", WorkflowContinued: "RUNNING",
  WorkflowRetried: "RUNNING", WorkflowForked: "RUNNING" };

/** The budgets of the samples. */
const LIMITS = {
  "research-desk": { budget: { usd: 1.5, time_ms: 600_000, at_limit: "pause" },
    content: { session_budget: '{"tokens":1000000}' } },
  triage: { budget: { model_calls: 50, tool_calls: 100 } },
};

/** A run that asks for what `requirement` says, and does nothing else. */
export function askingRun(run_id, workflow_id, requirement, time_ms) {
  const fact = (sequence, path, event, more) =>
    ({ sequence, time_ms: time_ms + sequence, run_id, path, step_name: path, event, ...more });
  return [
    fact(0, "", "WorkflowStarted", { workflow_id, workflow_name: workflow_id, digest: "0".repeat(64),
      session_id: `s-${run_id}`, input: { content: "bridges" } }),
    fact(1, requirement.path, "StepPaused", { requirement }),
    fact(2, "", "WorkflowPaused", {}),
  ];
}

export async function startServer({ port = 0, rows = 0, big = 0 } = {}) {
  const runs = new Map();
  const workflows = JSON.parse(readFileSync(new URL("workflows.json", import.meta.url), "utf8"));
  const synthetic = manyRows(rows, Date.now());
  let made = 0;
  let closed = false;

  function add(id, events, change = {}) {
    const run = { id, events: [], listeners: new Set(), ...change };
    runs.set(id, run);
    for (const event of events) push(run, event);
    return run;
  }
  function push(run, event) {
    run.events.push(event);
    for (const send of run.listeners) send(event);
  }
  function foldOf(run) {
    if (run.folded?.of !== run.events.length) run.folded = { of: run.events.length, ...computed(run) };
    return run.folded;
  }
  function computed(run) {
    const first = run.events[0];
    const fork = run.events.findLast((event) => event.event === "WorkflowForked");
    const status = run.events.reduce((now, event) => STATUS[event.event] ?? now, "PENDING");
    const usage = { input_tokens: 0, output_tokens: 0 };
    let cost = { usd: 0 };
    let error;
    for (const event of run.events) {
      if (event.event === "ModelRequestCompleted") {
        usage.input_tokens += event.usage?.input_tokens ?? 0;
        usage.output_tokens += event.usage?.output_tokens ?? 0;
        cost = { usd: cost.usd + (event.cost?.usd ?? 0),
          unpriced_requests: (cost.unpriced_requests ?? 0) + (event.cost ? event.cost.unpriced_requests ?? 0 : 1) };
      }
      if (event.event === "WorkflowError") error = { error: event.error };
    }
    const last = run.events.at(-1).time_ms;
    const row = { run_id: run.id, session_id: first.session_id, user_id: first.user_id,
      workflow_id: first.workflow_id, digest: first.digest, status, created_at: fork?.time_ms ?? first.time_ms,
      updated_at: last, wake_at: null, background: true, driver: null,
      origin: fork ? { run: fork.origin.run, until: fork.origin.until } : null };
    const input = fork?.input?.content ?? first.input.content;
    row.user_id ??= null;
    row.input = (typeof input === "string" ? input : JSON.stringify(input)).slice(0, 200);
    row.tokens = usage.input_tokens + usage.output_tokens;
    row.cost = cost.unpriced_requests ? null : cost.usd;
    const output = { input, content: null,
      metrics: { duration_ms: last - row.created_at, usage, cost },
      ...(error && status === "ERROR" ? { error } : {}) };
    return { row, output };
  }
  const rowOf = (run) => foldOf(run).row;
  const shown = ({ id, path, requires, message, due, schema, choices, multiple, on_timeout, ...detail }) =>
    ({ id, path, kind: requires, message: message ?? "", deadline: due ?? null, form: schema ?? null,
      choices: choices ?? null, multiple: multiple ?? false, decisions: [], detail });
  function requestsOf(run) {
    const open = new Map();
    for (const event of run.events) {
      if (event.requirement) open.set(event.requirement.id, event.requirement);
      if (event.requirement_id) open.delete(event.requirement_id);
      if (["StepSkipped", "StepError", "StepCancelled"].includes(event.event)) {
        for (const [id, asked] of open) if (asked.path === event.path) open.delete(id);
      }
      if (STATUS[event.event] && !["PAUSED", "RUNNING"].includes(STATUS[event.event])) open.clear();
    }
    return [...open.values()];
  }
  /** Plays events with the pauses between them that they had, or faster. */
  async function play(run, events, speed = 1) {
    let before = events[0]?.time_ms ?? 0;
    run.playing = true;
    for (const event of events) {
      const wait = Math.min((event.time_ms - before) / speed, 400);
      before = event.time_ms;
      if (wait > 1) await new Promise((done) => setTimeout(done, wait));
      if (run.cancelled || closed) break;
      push(run, { ...event, run_id: run.id, time_ms: Date.now() });
    }
    run.playing = false;
  }

  const now = Date.now();
  const names = readdirSync(fixtures).filter((name) => name.endsWith(".jsonl")).map((name) => name.slice(0, -6));
  names.forEach((name, at) => {
    const events = shifted(read(name), name, now - (at + 1) * 420_000);
    add(name, events);
  });
  add("digest.morning.20261130T080000Z", shifted(read("digest"), "digest.morning.20261130T080000Z", now - 19 * 3_600_000));
  add("limited", askingRun("limited", "research-desk", { id: "write!budget", path: "write", requires: "budget",
    message: "The budget of the run is spent", scope: "", limit: "usd", used: 1_490_000_000, of: 1_500_000_000 }, now - 9_000_000));
  if (big > 0) add("big", bigRun(big, now - 5_400_000));

  const tailOf = (id) => {
    const has = new Set(runs.get(id).events.filter((e) => e.delta === undefined).map((e) => e.sequence));
    return read("desk").filter((event) => !has.has(event.sequence));
  };

  const DAY = 86_400_000;
  const times = (first, step) => Array.from({ length: 5 }, (_, at) => first + at * step);
  const schedules = [
    { id: "digest.morning", workflow_id: "digest", name: "morning", timetable: "`0 9 * * mon-fri` in Europe/Berlin",
      paused: false, next: times(now + 5 * 3_600_000, DAY), last: { at: now - 19 * 3_600_000, run_id: "digest.morning.20261130T080000Z", note: null } },
    { id: "triage.hourly", workflow_id: "triage", name: "hourly", timetable: "every 1h", paused: false,
      next: times(now + 1_260_000, 3_600_000),
      last: { at: now - 2_340_000, run_id: "refund-paused", note: "run `refund-paused` was under way" } },
    { id: "blog.weekly", workflow_id: "blog", name: "weekly", timetable: "`@weekly` in UTC", paused: true, next: [], last: null },
  ];
  const webhooks = [{ id: "order.paid", workflow_id: "order", name: "paid", created_at: now - 6 * DAY }];
  const keys = [
    { id: "0a1b2c3d", name: "anna", role: "admin", user: null, created_at: now - 40 * DAY, expires_at: null },
    { id: "4e5f6a7b", name: "ci", role: "operator", user: "ci", created_at: now - 6 * DAY, expires_at: now - DAY },
  ];
  const turned = (id, paused) => {
    const schedule = schedules.find((one) => one.id === id);
    return schedule && Object.assign(schedule, { paused, next: paused ? [] : times(now + 5 * 3_600_000, DAY) });
  };
  const shownWorkflow = ({ plan, ...rest }) => ({ kind: "workflow", digest: "0".repeat(64), description: null, ...rest });

  const accepted = (run) => {
    const { run_id, session_id, status } = rowOf(run);
    return { run_id, session_id, status };
  };
  const routes = [
    ["GET", /^workflows$/, () => ({ workflows: workflows.map(shownWorkflow) })],
    ["GET", /^workflows\/([^/]+)$/, ([id]) => {
      const found = workflows.find((one) => one.id === id);
      return found && { ...shownWorkflow(found), plan: { ...found.plan, ...LIMITS[id] } };
    }],
    ["POST", /^workflows\/([^/]+)\/runs$/, ([id], body) => {
      const name = { "research-desk": "desk-live", blog: "blog", triage: "refund-paused", approval: "approval-review",
        digest: "digest", order: "undo" }[id];
      if (!name) return undefined;
      const run_id = body.run_id ?? `r-${(made += 1)}`;
      const [first, ...rest] = read(name);
      const session_id = body.session_id ?? `s-${made}`;
      const run = add(run_id, [{ ...first, run_id, session_id, time_ms: Date.now(), input: { content: body.input } }]);
      void play(run, rest, 0.6);
      return { run_id, session_id, status: "RUNNING" };
    }],
    ["GET", /^runs$/, (_, __, query) => {
      const fits = (row) => (!query.get("status") || query.get("status") === row.status)
        && ["workflow", "session", "user"].every((name) => !query.get(name) || row[`${name}_id`] === query.get(name))
        && (!query.get("q") || `${row.run_id} ${row.workflow_id} ${row.session_id} ${row.user_id ?? ""}`.toLowerCase().includes(query.get("q").toLowerCase()));
      // The rows of recorded runs are newer than all that are made up.
      const own = [...runs.values()].map(rowOf).sort((a, b) => b.created_at - a.created_at);
      const filtered = ["status", "workflow", "session", "user", "q"].some((name) => query.get(name));
      const all = filtered ? [...own, ...synthetic].filter(fits) : own.concat(synthetic);
      const from = Number(query.get("cursor") ?? 0);
      const limit = Math.min(Number(query.get("limit") ?? 50), 200);
      return { runs: all.slice(from, from + limit), next: from + limit < all.length ? String(from + limit) : null };
    }],
    ["GET", /^runs\/([^/]+)$/, ([id]) => {
      const made = synthetic[rows - Number(/^run-(\d+)$/.exec(id)?.[1] ?? -1)];
      if (made) return { run: made, output: outputOfRow(made), requests: [], origin: null, plan: null };
      const run = runs.get(id);
      if (!run) return undefined;
      const { row, output } = foldOf(run);
      return { run: row, output, requests: requestsOf(run).map(shown), origin: row.origin ?? null,
        plan: workflows.find((one) => one.id === row.workflow_id)?.plan ?? null };
    }],
    ["GET", /^inbox$/, () => ({ requests: [...runs.values()].flatMap((run) => requestsOf(run)
      .filter((asked) => asked.requires !== "deadline")
      .map((asked) => ({ run: rowOf(run), request: shown(asked) }))), more: false })],
    ["POST", /^runs\/([^/]+)\/answers$/, ([id], { answers }) => {
      const run = runs.get(id);
      const open = requestsOf(run);
      for (const key of Object.keys(answers)) if (!open.some((asked) => asked.id === key)) return undefined;
      const last = run.events.at(-1).sequence;
      const facts = [{ event: "WorkflowContinued", path: "", driver: "sample/1" },
        ...Object.entries(answers).map(([requirement_id, answer]) => ({ event: "StepContinued", requirement_id, answer, by: "ada",
          path: open.find((asked) => asked.id === requirement_id).path }))]
        .map((fact, at) => ({ sequence: last + 1 + at, time_ms: Date.now(), run_id: id, step_name: "", ...fact }));
      for (const fact of facts) push(run, fact);
      if (run.events[0].workflow_id === "research-desk") {
        const rest = tailOf(id).filter((event) => !["WorkflowContinued", "StepContinued"].includes(event.event));
        void play(run, rest.map((event, at) => ({ ...event, sequence: last + facts.length + 1 + at })));
      }
      return accepted(run);
    }],
    ["POST", /^runs\/([^/]+)\/cancel$/, ([id]) => {
      const run = runs.get(id);
      run.cancelled = true;
      push(run, { sequence: run.events.at(-1).sequence + 1, time_ms: Date.now(), run_id: id, path: "", step_name: "",
        event: "WorkflowCancelled", reason: "cancelled by request" });
      return accepted(run);
    }],
    ["POST", /^runs\/([^/]+)\/(rerun|fork)$/, ([id], body) => {
      const run_id = `fork-${(made += 1)}`;
      const begin = shifted(read("desk-fork"), run_id, Date.now() - 3000);
      const at = begin.findIndex((event) => event.event === "WorkflowForked");
      const forked = { ...begin[at], at: body.at ?? body.from, steps: begin[at].steps, origin: { ...begin[at].origin, run: id },
        ...(body.set?.input !== undefined ? { input: { content: body.set.input } } : {}) };
      const run = add(run_id, [...begin.slice(0, at), forked]);
      void play(run, begin.slice(at + 1));
      return { run_id, session_id: forked.session_id, status: "RUNNING" };
    }],
    ["POST", /^runs\/([^/]+)\/(resume|retry)$/, ([id]) => accepted(runs.get(id))],
    ["GET", /^schedules$/, () => ({ schedules })],
    ["POST", /^schedules\/([^/]+)\/(pause|resume)$/, ([id, word]) => turned(id, word === "pause")],
    ["POST", /^schedules\/([^/]+)\/run$/, ([id]) => {
      const schedule = schedules.find((one) => one.id === id);
      if (!schedule) return undefined;
      const run_id = `r-${(made += 1)}`;
      const [first, ...rest] = read(schedule.workflow_id);
      void play(add(run_id, [{ ...first, run_id, time_ms: Date.now() }]), rest);
      schedule.last = { at: Date.now(), run_id, note: null };
      return { run_id, session_id: first.session_id, status: "RUNNING" };
    }],
    ["GET", /^keys$/, () => ({ keys })],
    ["POST", /^keys$/, (_, { name, role, user = null, expires_in }) => {
      const created_at = Date.now();
      const id = String((made += 1)).padStart(8, "0");
      const key = { id, name, role, user, created_at, expires_at: expires_in ? created_at + expires_in * 1000 : null };
      keys.push(key);
      return { key, secret: `sw_${id}_${"0".repeat(64)}` };
    }],
    ["DELETE", /^keys\/([^/]+)$/, ([id]) => {
      const at = keys.findIndex((one) => one.id === id);
      return at < 0 ? undefined : keys.splice(at, 1)[0];
    }],
    ["GET", /^webhooks$/, () => ({ webhooks })],
    ["POST", /^webhooks\/([^/]+)\/token$/, ([id]) => {
      const webhook = webhooks.find((one) => one.id === id);
      if (!webhook) return undefined;
      webhook.created_at = Date.now();
      const token = `swh_${String((made += 1)).padStart(64, "0")}`;
      return { token, path: `/v1/hooks/${token}` };
    }],
    ["POST", /^runs\/([^/]+)\/messages$/, ([id]) => ({ run_id: id, message_id: "m-1", is_for_next_run: false })],
  ];

  const asked = [];
  const server = createServer(async (request, response) => {
    const url = new URL(request.url, "http://localhost");
    asked.push(request.url);
    if (!url.pathname.startsWith("/v1/")) return page(url.pathname, response);
    const path = url.pathname.slice(4);
    const events = /^runs\/([^/]+)\/events$/.exec(path);
    if (events) return stream(decodeURIComponent(events[1]), url, request, response);
    let body = "";
    for await (const piece of request) body += piece;
    for (const [method, pattern, answer] of routes) {
      const match = pattern.exec(path);
      if (!match || method !== request.method) continue;
      const told = answer(match.slice(1).map(decodeURIComponent), body ? JSON.parse(body) : {}, url.searchParams);
      if (told !== undefined) return json(response, method === "POST" ? 202 : 200, told);
    }
    json(response, 404, { type: "about:blank", title: "Not found", status: 404, detail: `there is no ${path}` },
      "application/problem+json");
  });
  const json = (response, status, value, type = "application/json") => {
    response.writeHead(status, { "content-type": type });
    response.end(JSON.stringify(value));
  };
  function page(path, response) {
    try {
      const name = path === "/" ? "index.html" : path.slice(1);
      const bytes = readFileSync(new URL(`dist/${name}`, crate));
      response.writeHead(200, { "content-type": TYPES[name.split(".").pop()], "content-security-policy": policy });
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  }
  function stream(id, url, request, response) {
    const run = runs.get(id);
    if (!run) return json(response, 404, { title: "Not found", status: 404, detail: `there is no run ${id}` });
    const sse = (request.headers.accept ?? "").includes("text/event-stream");
    const after = Number(request.headers["last-event-id"] ?? url.searchParams.get("after") ?? -1);
    if (!sse) {
      const facts = run.events.filter((event) => event.delta === undefined && event.sequence > after);
      const sent = facts.slice(0, 5000);
      return json(response, 200, { events: sent, next: facts.length > sent.length ? sent.at(-1).sequence : null });
    }
    const ended = () => ["COMPLETED", "ERROR", "CANCELLED"].includes(rowOf(run).status);
    const past = run.events.filter((event) => event.sequence > after || (event.delta !== undefined && event.sequence === after));
    if (ended() && past.every((event) => event.delta !== undefined)) return response.writeHead(204).end();
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write("retry: 3000\n\n");
    const send = (event) => {
      response.write(`${event.delta === undefined ? `id: ${event.sequence}\n` : ""}data: ${JSON.stringify(event)}\n\n`);
      if (event.event in STATUS && ended()) {
        run.listeners.delete(send);
        response.end();
      }
    };
    for (const event of past) send(event);
    if (response.writableEnded) return;
    run.listeners.add(send);
    request.on("close", () => run.listeners.delete(send));
  }
  await new Promise((done) => server.listen(port, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}/`, asked, runs, add, push, play,
    stop: () => {
      closed = true;
      server.closeAllConnections();
      server.close();
    } };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, standard) => Number(process.argv[process.argv.indexOf(`--${name}`) + 1] || standard)
    * (process.argv.includes(`--${name}`) ? 1 : 0) || standard;
  const { url } = await startServer({ port: option("port", 7778), rows: option("rows", 0), big: option("big", 0) });
  console.log(`sample data at ${url} (development only; no workflow is executed)`);
}
