// The workflows of the server, and the form that starts a run of one.

import { signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { api } from "../api";
import { Fold } from "../model/fold";
import type { Json, Workflow } from "../model/types";
import { go, href } from "../router";
import { Graph } from "../run/graph";
import { initial, mistake, SchemaForm } from "../ui/form";
import { Icon } from "../ui/icons";
import { attempt, explain } from "../ui/toast";

export const workflows = signal<Workflow[] | null>(null);
const problem = signal<string | null>(null);

export async function loadWorkflows(): Promise<void> {
  try {
    workflows.value = await api.workflows();
    problem.value = null;
  } catch (error) {
    problem.value = explain(error);
  }
}

export function WorkflowsPage(): JSX.Element {
  useEffect(() => void loadWorkflows(), []);
  const all = workflows.value;
  return (
    <main class="page">
      <div class="page-head"><h1>Workflows</h1></div>
      {problem.value && <p class="banner failed" role="alert">{problem.value}</p>}
      {all?.length === 0 && <div class="empty"><Icon name="flow" size={28} /><h2>No workflows</h2>
        <p>Name workflow files at the start: <code>stepwright serve FILE…</code></p></div>}
      <ul class="cards">{all?.map((workflow) => (
        <li class="card">
          <h2><a href={href(["workflows", workflow.id])}>{workflow.name}</a></h2>
          <p>{workflow.description ?? <span class="quiet">No description</span>}</p>
          <p class="row"><a class="button primary" href={href(["workflows", workflow.id])}><Icon name="play" size={14} /> Start</a>
            <a class="button" href={href(["chat", workflow.id])}><Icon name="chat" size={14} /> Chat</a>
            <a class="button ghost" href={href(["runs"], { workflow: workflow.id })}>Its runs</a></p>
        </li>
      ))}</ul>
    </main>
  );
}

export function StartPage({ id }: { id: string }): JSX.Element {
  const workflow = useSignal<Workflow | null>(null);
  const failed = useSignal<string | null>(null);
  const value = useMemo(() => signal<Json>(""), [id]);
  const session = useSignal("");
  const user = useSignal("");
  const wrong = useSignal<string | null>(null);
  const busy = useSignal(false);
  useEffect(() => {
    api.workflow(id).then((found) => {
      workflow.value = found;
      value.value = initial(found.input_schema ?? undefined);
    }, (error: unknown) => (failed.value = explain(error)));
  }, [id]);
  const found = workflow.value;
  if (failed.value) return <main class="page"><div class="empty" role="alert"><h1>No such workflow</h1><p>{failed.value}</p>
    <a class="button" href="#/workflows">All workflows</a></div></main>;
  if (!found) return <main class="page" aria-busy="true"><p class="quiet pad">Loading…</p></main>;
  const start = async (): Promise<void> => {
    wrong.value = mistake(found.input_schema ?? undefined, value.value);
    if (wrong.value !== null) return;
    busy.value = true;
    await attempt(async () => {
      const began = await api.start(id, { input: value.value,
        ...(session.value ? { session_id: session.value } : {}), ...(user.value ? { user_id: user.value } : {}) });
      go(href(["runs", began.run_id]));
    });
    busy.value = false;
  };
  return (
    <main class="page">
      <div class="page-head"><h1>{found.name}</h1>
        <a class="button ghost" href={href(["runs"], { workflow: id })}>Its runs</a></div>
      {found.description && <p class="lead">{found.description}</p>}
      <div class="start">
        <form class="panel" noValidate onSubmit={(event) => {
          event.preventDefault();
          void start();
        }}>
          <h2>Start a run</h2>
          <SchemaForm schema={found.input_schema ?? undefined} value={value} label="Input" />
          <details class="more"><summary>Session and user</summary>
            <div class="form">
              <div class="field"><label for="start-session">Session</label>
                <input id="start-session" type="text" placeholder="A new one" value={session.value}
                  onInput={(event) => (session.value = event.currentTarget.value)} /></div>
              <div class="field"><label for="start-user">User</label>
                <input id="start-user" type="text" value={user.value}
                  onInput={(event) => (user.value = event.currentTarget.value)} /></div>
            </div>
          </details>
          {wrong.value && <p class="error-text" role="alert">{wrong.value}</p>}
          <div class="row"><button class="primary" type="submit" disabled={busy.value}><Icon name="play" size={14} /> Start</button></div>
        </form>
        {found.plan && <section class="panel plan" aria-label="The steps">
          <Graph fold={new Fold()} plan={found.plan} now={0} selected={null} select={() => undefined} /></section>}
      </div>
    </main>
  );
}
