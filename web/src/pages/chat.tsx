// Chat with a workflow or an agent: each message is a run of the same session, whose text streams in.

import { signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { api } from "../api";
import { excerpt, money, tokens } from "../format";
import type { Execution } from "../model/execution";
import type { Fold } from "../model/fold";
import type { Json, RunRow, Schema, Workflow } from "../model/types";
import { go, href, route, setQuery } from "../router";
import { ErrorBox } from "../run/detail";
import { isForPeople, Request } from "../run/requests";
import { RunStore } from "../run/store";
import { initial, mistake, SchemaForm, typeOf } from "../ui/form";
import { Icon, Mark, toneOf } from "../ui/icons";
import { attempt, explain } from "../ui/toast";
import { LongText, Value } from "../ui/value";
import { loadWorkflows, workflows } from "./workflows";

export function ChatPage({ id }: { id: string | undefined }): JSX.Element {
  useEffect(() => void loadWorkflows(), []);
  if (id === undefined) {
    const all = workflows.value;
    return (
      <main class="page narrow">
        <div class="page-head"><h1>Chat</h1></div>
        <p class="lead">Each message is a run, and all runs of a chat share a session.</p>
        {all?.length === 0 && <div class="empty"><Icon name="chat" size={28} /><h2>No workflows to chat with</h2></div>}
        <ul class="cards">{all?.map((workflow) => (
          <li class="card"><h2><a href={href(["chat", workflow.id])}>{workflow.name}</a></h2>
            <p>{workflow.description}</p></li>
        ))}</ul>
      </main>
    );
  }
  return <Chat key={id} id={id} />;
}

const isPlain = (schema: Schema | undefined): boolean => !schema || ["string", "any"].includes(typeOf(schema));

function Chat({ id }: { id: string }): JSX.Element {
  const session = route.value.query.get("session");
  const workflow = useSignal<Workflow | null>(null);
  const stores = useMemo(() => signal<RunStore[]>([]), [id]);
  const value = useMemo(() => signal<Json>(""), [id]);
  const problem = useSignal<string | null>(null);
  const busy = useSignal(false);
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    api.workflow(id).then((found) => {
      workflow.value = found;
      value.value = initial(found.input_schema ?? undefined);
    }, (error: unknown) => (problem.value = explain(error)));
  }, [id]);
  useEffect(() => {
    if (session === null || stores.value.length > 0) return;
    api.runs({ session, workflow: id, limit: 50 }).then(({ runs }) => {
      const rows: RunRow[] = [...runs].reverse();
      if (stores.value.length === 0) stores.value = rows.map((row) => new RunStore(row.run_id));
    }, (error: unknown) => (problem.value = explain(error)));
  }, [session]);
  useEffect(() => () => stores.value.forEach((store) => store.close()), [stores]);

  const schema = workflow.value?.input_schema ?? undefined;
  const send = async (): Promise<void> => {
    const input = value.value;
    if (input === "" || input === null) return;
    problem.value = mistake(schema, input);
    if (problem.value) return;
    busy.value = true;
    await attempt(async () => {
      const began = await api.start(id, { input, ...(session ? { session_id: session } : {}) });
      stores.value = [...stores.value, new RunStore(began.run_id)];
      value.value = initial(schema);
      if (!session) setQuery({ session: began.session_id });
      requestAnimationFrame(() => end.current?.scrollIntoView({ block: "end" }));
    });
    busy.value = false;
  };
  return (
    <main class="page narrow chat">
      <div class="page-head"><h1>{workflow.value?.name ?? id}</h1>
        {session && <><code class="quiet">{session}</code><button class="ghost" onClick={() => {
          stores.value.forEach((store) => store.close());
          stores.value = [];
          go(href(["chat", id]));
        }}>New chat</button></>}</div>
      <div class="messages" role="log" aria-label="Conversation" aria-live="polite">
        {stores.value.length === 0 && <div class="empty"><Icon name="chat" size={28} />
          <h2>Say something</h2><p>{workflow.value?.description}</p></div>}
        {stores.value.map((store) => <Exchange key={store.id} store={store} />)}
        <div ref={end} />
      </div>
      {problem.value && <p class="error-text" role="alert">{problem.value}</p>}
      <form class="composer" onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}>
        {isPlain(schema) ? (
          <textarea rows={2} aria-label="Message" placeholder="Message" value={typeof value.value === "string" ? value.value : ""}
            onInput={(event) => (value.value = event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
              event.preventDefault();
              void send();
            }} />
        ) : <SchemaForm schema={schema} value={value} label="Message" />}
        <button class="primary" type="submit" disabled={busy.value}><Icon name="send" size={14} /> Send</button>
      </form>
    </main>
  );
}

/** The text that is being written at this moment. */
function speaking(fold: Fold): Execution | undefined {
  return fold.executions.findLast((step) => step.status === "running" && step.partial !== "");
}

function Exchange({ store }: { store: RunStore }): JSX.Element {
  const { fold } = store;
  const now = speaking(fold);
  const usage = fold.usage();
  return (
    <>
      <article class="bubble user" aria-label="You"><Value value={fold.input} /></article>
      <article class="bubble model" aria-label={fold.workflowName || "Answer"}>
        {store.error.value && <p class="error-text">{store.error.value}</p>}
        {fold.failure && <ErrorBox error={fold.failure.error} />}
        {fold.content !== null ? <Value value={fold.content} />
          : now ? <div class="streaming"><LongText text={now.partial} /></div>
            : !fold.ended && fold.status !== "PAUSED" && <p class="quiet typing">
              {[...fold.open.values()].at(-1)?.name ?? "Waiting"}…</p>}
        {fold.status === "PAUSED" && fold.pending.filter((wait) => isForPeople(wait.requirement)).map((wait) => (
          <Request key={wait.requirement.id} run={store.id} requirement={wait.requirement} from={wait.from} />
        ))}
        <p class="bubble-meta"><Mark tone={toneOf(fold.status)} label={fold.status.toLowerCase()} />
          <a href={href(["runs", store.id])}>{excerpt(store.id, 24)}</a>
          <span class="quiet">{tokens(usage)} tokens · {money(fold.cost)}</span></p>
      </article>
    </>
  );
}
