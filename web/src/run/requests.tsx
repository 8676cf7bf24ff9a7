// Pending requests, each with the controls for its kind of answer.

import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useMemo } from "preact/hooks";
import { signal } from "@preact/signals";
import { api } from "../api";
import { ago, exact } from "../format";
import type { Wait } from "../model/execution";
import { amount, unitOf } from "../model/budget";
import type { Json, Requirement } from "../model/types";
import { href } from "../router";
import { clock } from "../clock";
import { initial, mistake, SchemaForm } from "../ui/form";
import { Icon, Mark } from "../ui/icons";
import { attempt } from "../ui/toast";
import { Value } from "../ui/value";
import { embedded } from "../embedded";

const TITLES: { [requires: string]: string } = {
  confirmation: "Needs an approval", user_input: "Needs an answer", route_selection: "Needs a choice",
  output_review: "Output to review", iteration_review: "Turn to review",
  tool_confirmation: "Tool call to approve", external_execution: "Needs a result from outside",
  wait: "Waits for a value", error_decision: "A step failed", interrupted: "Outcome unknown",
  permission: "Needs a permission", budget: "Budget is spent", sleep: "Waits for a moment",
  event: "Waits for an event",
};

export const titleOf = (requires: string): string => TITLES[requires] ?? requires;

export function isForPeople(requirement: Requirement): boolean {
  return !["deadline", "sleep", "event"].includes(requirement.requires);
}

interface Props {
  run: string;
  requirement: Requirement;
  from: number | null;
  /** The name of the run, if the request stands outside of its page. */
  heading?: JSX.Element;
  answered?: () => void;
}

export function Request({ run, requirement, from, heading, answered }: Props): JSX.Element {
  const busy = useSignal(false);
  const send = async (answer: { [field: string]: Json }): Promise<void> => {
    busy.value = true;
    const sent = await attempt(() => api.answer(run, { [requirement.id]: answer }), "Answered");
    busy.value = false;
    if (sent) answered?.();
  };
  const now = clock.value;
  const { due } = requirement;
  return (
    <article class="request" aria-label={`${titleOf(requirement.requires)}: ${requirement.path}`}>
      <header>
        <Mark tone="paused" />
        <h3>{requirement.message ?? titleOf(requirement.requires)}</h3>
      </header>
      <p class="request-meta">
        {heading}
        <span>{titleOf(requirement.requires)}</span>
        <a href={href(["runs", run], { step: requirement.path })}>{requirement.path || "the run"}</a>
        {from !== null && <time dateTime={new Date(from).toISOString()} title={exact(from)}>asked {ago(from, now)}</time>}
        {due !== undefined && (
          <span class={due - now < 3_600_000 ? "warn-text" : ""} title={exact(due)}>
            {due > now ? "due" : "was due"} {ago(due, now)}
            {requirement.on_timeout !== undefined ? `, then ${onTimeout(requirement.on_timeout)}` : ""}
          </span>
        )}
      </p>
      <Shown requirement={requirement} />
      {embedded() ? <p class="quiet">This file shows the run as it was. Answer on its server.</p>
        : <Controls requirement={requirement} send={(answer) => void send(answer)} busy={busy.value} />}
    </article>
  );
}

const onTimeout = (value: Json): string =>
  typeof value === "string" ? value : `answers ${JSON.stringify((value as { default?: Json })?.default)}`;

function Shown({ requirement }: { requirement: Requirement }): JSX.Element | null {
  const shown = requirement.output?.content ?? requirement.content ?? requirement.arguments
    ?? (typeof requirement.tool === "object" ? requirement.tool : undefined);
  const { error, effect, limit, used, of } = requirement;
  return (
    <>
      {effect && <pre class="plain" tabIndex={0}>{effect}</pre>}
      {limit !== undefined && used !== undefined && of !== undefined && <p>
        {amount(limit, used)} of {amount(limit, of)} are used or reserved
        {requirement.of_session ? " in the session" : requirement.scope ? <> at <code>{requirement.scope}</code></> : ""}.</p>}
      {error && <p class="error-text">{error.message}</p>}
      {shown !== undefined && shown !== null && <div class="shown"><Value value={shown} /></div>}
    </>
  );
}

function Controls({ requirement, send, busy }: { requirement: Requirement; busy: boolean;
  send: (answer: { [field: string]: Json }) => void }): JSX.Element {
  const value = useMemo(() => signal<Json>(initialOf(requirement)), [requirement.id]);
  const feedback = useSignal("");
  const wrong = useSignal<string | null>(null);
  const editing = useSignal(false);
  const picked = useSignal<string[]>([]);
  const reject = (): void => send(feedback.value
    ? { decision: "reject", feedback: feedback.value } : { decision: "reject" });
  const why = (
    <input type="text" class="feedback" aria-label="Reason, or what to improve" placeholder="Reason, or what to improve"
      value={feedback.value} onInput={(event) => (feedback.value = event.currentTarget.value)} />
  );
  const button = (label: string, act: () => void, look = ""): JSX.Element => (
    <button class={look} disabled={busy} onClick={act}>{label}</button>
  );
  const submit = (): void => {
    wrong.value = mistake(requirement.schema, value.value);
    if (wrong.value === null) send({ decision: "submit", value: value.value });
  };
  const problem = wrong.value && <p class="error-text" role="alert">{wrong.value}</p>;
  switch (requirement.requires) {
    case "user_input": case "wait": case "external_execution":
      return (
        <form class="controls column" noValidate onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}>
          <SchemaForm schema={requirement.schema} value={value} label="Answer" />
          {problem}
          <div class="row">
            <button class="primary" type="submit" disabled={busy}>Submit</button>
            {requirement.requires === "user_input" && <button type="button" disabled={busy} onClick={reject}>Reject</button>}
          </div>
        </form>
      );
    case "route_selection":
      return (
        <div class="controls column">
          <fieldset class="choices"><legend>Routes</legend>
            {(requirement.choices ?? []).map((choice) => (
              <label class="inline"><input type={requirement.multiple ? "checkbox" : "radio"} name={requirement.id}
                checked={picked.value.includes(choice)} onChange={() => {
                  const rest = picked.value.filter((other) => other !== choice);
                  picked.value = !requirement.multiple ? [choice]
                    : rest.length < picked.value.length ? rest : [...rest, choice];
                }} /> {choice}</label>
            ))}
          </fieldset>
          <div class="row"><button class="primary" disabled={busy || picked.value.length === 0}
            onClick={() => send({ decision: "select", choices: picked.value })}>Choose</button></div>
        </div>
      );
    case "output_review":
      return editing.value ? (
        <div class="controls column">
          <SchemaForm schema={{ type: typeof value.value === "string" ? "string" : "any", title: "Edited output" }} value={value} label="Edited output" />
          <div class="row">{button("Approve the edited output", () => send({ decision: "edit", content: value.value }), "primary")}
            {button("Back", () => (editing.value = false))}</div>
        </div>
      ) : (
        <div class="controls">
          {button("Approve", () => send({ decision: "approve" }), "primary")}
          {button("Edit", () => (editing.value = true))}
          {why}{button(requirement.retries ? "Reject and retry" : "Reject", reject, "danger")}
        </div>
      );
    case "iteration_review":
      return <div class="controls">{button("Good: end the loop", () => send({ decision: "approve" }), "primary")}
        {why}{button("Another turn", reject)}</div>;
    case "error_decision":
      return <div class="controls">
        {requirement.retries !== false && button("Retry", () => send({ decision: "retry" }), "primary")}
        {button("Skip", () => send({ decision: "skip" }))}{button("Fail", reject, "danger")}</div>;
    case "interrupted":
      return <div class="controls">{button("It was not done: run it", () => send({ decision: "retry" }), "primary")}
        {button("It was done", () => send({ decision: "submit", value: feedback.value || null }))}{why}
        {button("Fail", reject, "danger")}</div>;
    case "budget":
      return <Budget requirement={requirement} send={send} busy={busy}>{why}{button("Reject", reject, "danger")}</Budget>;
    case "permission":
      return <div class="controls">
        {button("Approve", () => send({ decision: "approve" }), "primary")}
        {requirement.rule !== undefined && (
          <button disabled={busy} title={requirement.rule} onClick={() => send({ decision: "always" })}>
            Always in {requirement.for_run ? "this run" : "the session"}</button>
        )}
        {why}{button("Reject", reject, "danger")}
        {requirement.rule !== undefined && requirement.rule !== requirement.effect && <p class="hint whole">Always allows <code>{requirement.rule}</code></p>}</div>;
    case "event": {
      const { name, key, match } = requirement;
      const emit = `stepwright emit ${name}${key === undefined ? "" : ` --key ${JSON.stringify(key)}`} -i JSON`;
      return <p class="quiet">The run goes on when the event <code>{name}</code> comes
        {key !== undefined && <> with the key <code>{key}</code></>}
        {match !== undefined && <>, if it fits <code>{JSON.stringify(match)}</code></>}: <code>{emit}</code></p>;
    }
    case "sleep": case "deadline":
      return <p class="quiet">The run goes on by itself.</p>;
    default:
      return <div class="controls">
        {button("Approve", () => send({ decision: "approve" }), "primary")}
        {why}{button("Reject", reject, "danger")}</div>;
  }
}

/** More of a budget: the same amount again, or another one. */
function Budget({ requirement, send, busy, children }: { requirement: Requirement; busy: boolean;
  send: (answer: { [field: string]: Json }) => void; children: ComponentChildren }): JSX.Element {
  const more = useSignal("");
  const { limit = "", of = 0 } = requirement;
  const number = Number(more.value);
  return (
    <div class="controls">
      <button class="primary" disabled={busy} onClick={() => send({ decision: "approve" })}>
        Approve {amount(limit, of)} more</button>
      <input type="number" min="0" step="any" class="more-amount" placeholder="Another amount"
        aria-label={`Another amount, in ${unitOf(limit)}`} value={more.value}
        onInput={(event) => (more.value = event.currentTarget.value)} />
      <button disabled={busy || !(number > 0)} onClick={() => send({ decision: "submit", value: number })}>
        Give {number > 0 ? `${more.value} ` : ""}{unitOf(limit)}</button>
      {children}
    </div>
  );
}

function initialOf(requirement: Requirement): Json {
  if (requirement.requires === "output_review") return requirement.output?.content ?? "";
  return initial(requirement.schema);
}

/** The waits of a run that have ended: who answered what, and when. */
export function Answers({ waits }: { waits: Wait[] }): JSX.Element {
  return (
    <ul class="answers">
      {waits.map((wait) => (
        <li>
          <span class="grow"><strong>{titleOf(wait.requirement.requires)}</strong>
            {wait.requirement.message && <> – {wait.requirement.message}</>}</span>
          <span>{wait.answer ? <>
            <code>{String(wait.answer["decision"])}</code>
            {wait.by && <> by {wait.by}</>}{wait.timedOut && <> (no answer in time)</>}
            {typeof wait.answer["feedback"] === "string" && <>: {wait.answer["feedback"]}</>}
          </> : wait.to === null ? "waits" : "withdrawn"}</span>
          {wait.answer?.["value"] !== undefined && <Value value={wait.answer["value"]} />}
        </li>
      ))}
    </ul>
  );
}

export { Icon };
