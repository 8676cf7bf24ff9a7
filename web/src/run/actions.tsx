// What a reader can do with a run, and with one of its steps.

import { useSignal, signal } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { api } from "../api";
import { embedded, exportRun } from "../embedded";
import type { Fold } from "../model/fold";
import type { Json } from "../model/types";
import { go, href } from "../router";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { attempt } from "../ui/toast";
import { copy } from "../ui/value";
import type { RunStore } from "./store";

/** Begins a run and goes to it. */
async function begin(work: () => Promise<{ run_id: string } | undefined>, done: string): Promise<void> {
  await attempt(async () => {
    const began = await work();
    if (began?.run_id) go(href(["runs", began.run_id]));
  }, done);
}

export function RunActions({ store, fold }: { store: RunStore; fold: Fold }): JSX.Element {
  const sure = useSignal(false);
  const forking = useSignal(false);
  const { id } = store;
  const now = store.history.now;
  const again = (): void => void store.live();
  return (
    <div class="row actions">
      {!embedded() && <>
        {!now.ended && (sure.value ? (
          <span class="row confirm" role="group" aria-label="Cancel the run?">
            <button class="danger" onClick={() => {
              sure.value = false;
              void attempt(() => api.cancel(id), "Asked the run to stop");
            }}>Yes, cancel</button>
            <button onClick={() => (sure.value = false)}>Keep it</button>
          </span>
        ) : <button onClick={() => (sure.value = true)}><Icon name="ban" size={14} /> Cancel</button>)}
        {now.status === "RUNNING" && !store.connected.value && (
          <button onClick={() => void attempt(() => api.resume(id), "Resumed").then(again)}>
            <Icon name="play" size={14} /> Resume</button>
        )}
        {(now.status === "ERROR" || now.status === "CANCELLED") && (
          <button class="primary" onClick={() => void attempt(() => api.retry(id), "Retries").then(again)}>
            <Icon name="retry" size={14} /> Retry</button>
        )}
        <button onClick={() => (forking.value = true)}><Icon name="fork" size={14} /> Fork</button>
        <a class="button" href={href(["compare"], { a: now.origin?.run ?? id, b: now.origin ? id : null })}>
          <Icon name="compare" size={14} /> Compare</a>
        <button onClick={() => void attempt(() => download(store))}><Icon name="export" size={14} /> Export</button>
      </>}
      <button class="ghost" onClick={() => void copy(`stepwright attach ${id}`, "the command")}
        title={`stepwright attach ${id}`}><Icon name="copy" size={14} /> Command</button>
      {forking.value && <ForkDialog store={store} fold={fold} at="" close={() => (forking.value = false)} />}
    </div>
  );
}

async function download(store: RunStore): Promise<void> {
  const { events } = store.history;
  const facts = events.filter((event) => event.delta === undefined);
  const file = await exportRun({ run: store.row.value, plan: store.plan.value, events: facts });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = `${store.id.replace(/[^\w.-]/g, "_")}.html`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

export function StepActions({ store, fold, path }: { store: RunStore; fold: Fold; path: string }): JSX.Element | null {
  const forking = useSignal(false);
  const step = fold.executions.findLast((other) => other.path === path);
  if (embedded() || !step || step.type === "ToolCall" || path.includes("(workflow)")) return null;
  return (
    <>
      <button onClick={() => void begin(() => api.rerun(store.id, path), "Runs again from here")}>
        <Icon name="retry" size={14} /> Rerun from here</button>
      <button onClick={() => (forking.value = true)}><Icon name="fork" size={14} /> Fork with changes</button>
      {forking.value && <ForkDialog store={store} fold={fold} at={path} close={() => (forking.value = false)} />}
    </>
  );
}

function ForkDialog({ store, fold, at, close }: { store: RunStore; fold: Fold; at: string;
  close: () => void }): JSX.Element {
  const text = (value: Json): string => typeof value === "string" ? value : JSON.stringify(value, null, 2);
  const isText = typeof fold.input === "string";
  const began = useMemo(() => text(fold.input), []);
  const input = useMemo(() => signal(began), []);
  const wrong = useSignal<string | null>(null);
  const send = (): void => {
    const change: { at: string; set?: Json } = { at };
    if (input.value !== began) {
      try {
        change.set = { input: isText ? input.value : (JSON.parse(input.value) as Json) };
      } catch {
        wrong.value = "The input is not JSON";
        return;
      }
    }
    close();
    void begin(() => api.fork(store.id, change), "Forked");
  };
  return (
    <Dialog title="Fork this run" close={close}>
      <form class="form" onSubmit={(event) => {
        event.preventDefault();
        send();
      }}>
        <p class="quiet">A new run shares what came before {at ? <code>{at}</code> : "its first step"}, and does the rest
          again. This run stays as it is.</p>
        <div class="field"><label for="fork-input">Input</label>
          <textarea id="fork-input" class={isText ? "" : "mono"} rows={6} value={input.value}
            onInput={(event) => (input.value = event.currentTarget.value)} /></div>
        <p class="hint">At the terminal, <code>stepwright fork {store.id}{at && ` --at ${at}`} --model MODEL</code> uses
          another model, and <code>stepwright fork --help</code> lists the other changes.</p>
        {wrong.value && <p class="error-text" role="alert">{wrong.value}</p>}
        <div class="row"><button class="primary" type="submit">Fork</button>
          <button type="button" onClick={close}>Leave it</button></div>
      </form>
    </Dialog>
  );
}

/** Sends a message to the agents of a run under way. */
export function MessageBox({ store }: { store: RunStore }): JSX.Element {
  const text = useSignal("");
  const mode = useSignal("steer");
  return (
    <form class="message-box row" onSubmit={(event) => {
      event.preventDefault();
      if (!text.value.trim()) return;
      void attempt(() => api.message(store.id, text.value, mode.value), "Sent").then((sent) => {
        if (sent) text.value = "";
      });
    }}>
      <input type="text" class="grow" aria-label="Message to the agent at work" placeholder="Message to the agent at work"
        value={text.value} onInput={(event) => (text.value = event.currentTarget.value)} />
      <select aria-label="When the agent gets it" value={mode.value}
        onChange={(event) => (mode.value = event.currentTarget.value)}>
        <option value="steer">before its next request</option>
        <option value="follow_up">when it is done</option>
        <option value="interrupt">at once</option>
      </select>
      <button type="submit" disabled={!text.value.trim()}><Icon name="send" size={14} /> Send</button>
    </form>
  );
}
