// The API keys of the server: who may do what, until when.

import { signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { api, type ApiKey, type MadeKey } from "../api";
import { clock } from "../clock";
import { ago, exact } from "../format";
import { Dialog } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { attempt, explain } from "../ui/toast";
import { CopyButton } from "../ui/value";

const ROLES: [string, string][] = [
  ["viewer", "sees workflows, runs and sessions"],
  ["operator", "also starts, cancels, retries and forks runs"],
  ["approver", "sees them too, and answers requests"],
  ["admin", "may do everything, also with keys"],
];
const DAYS: [string, string][] = [["", "never"], ["1", "in a day"], ["30", "in 30 days"], ["365", "in a year"]];
const DAY_SECONDS = 86_400;

const keys = signal<ApiKey[] | null>(null);
const problem = signal<string | null>(null);

async function refresh(): Promise<void> {
  try {
    keys.value = await api.keys();
    problem.value = null;
  } catch (error) {
    problem.value = explain(error);
  }
}

export function KeysPage(): JSX.Element {
  const asks = useSignal(false);
  const made = useSignal<MadeKey | null>(null);
  useEffect(() => void refresh(), []);
  const all = keys.value;
  return (
    <main class="page" aria-busy={(all === null && problem.value === null) || undefined}>
      <div class="page-head"><h1>API keys</h1><span class="grow" />
        <button class="primary" onClick={() => (asks.value = true)}><Icon name="key" size={14} /> New key</button></div>
      {problem.value && <p class="banner failed" role="alert">{problem.value}</p>}
      {all?.length === 0 && <div class="empty"><Icon name="key" size={28} /><h2>There is no key</h2>
        <p>This server is open to all who reach it. From the first key on, each request needs one.</p></div>}
      {all && all.length > 0 && <ul class="cards wide">{all.map((key) => (
        <li key={key.id} class="card"><OneKey of={key} /></li>
      ))}</ul>}
      {asks.value && <NewKey close={() => (asks.value = false)} done={(key) => {
        asks.value = false;
        made.value = key;
        void refresh();
      }} />}
      {made.value && <Dialog title={`The key ${made.value.key.name}`} close={() => (made.value = null)}>
        <div class="form">
          <p>Copy it now: it is shown only once. Clients send it as <code>Authorization: Bearer</code>.</p>
          <p class="shown row"><code class="grow">{made.value.secret}</code><CopyButton value={made.value.secret} what="the key" /></p>
        </div></Dialog>}
    </main>
  );
}

function OneKey({ of: { id, name, role, user, created_at, expires_at } }: { of: ApiKey }): JSX.Element {
  const sure = useSignal(false);
  const busy = useSignal(false);
  const now = clock.value;
  const revoke = async (): Promise<void> => {
    busy.value = true;
    await attempt(() => api.revokeKey(id), "Revoked");
    busy.value = sure.value = false;
    await refresh();
  };
  const when = (at: number): JSX.Element => <time dateTime={new Date(at).toISOString()} title={exact(at)}>{ago(at, now)}</time>;
  return (
    <>
      <div class="card-head"><h2 class="grow">{name}</h2><strong>{role}</strong></div>
      <dl class="firings">
        <dt>Id</dt><dd><code>{id}</code></dd>
        <dt>Sees</dt><dd>{user === null ? "what belongs to all users" : <>what belongs to <code>{user}</code></>}</dd>
        <dt>Made</dt><dd>{when(created_at)}</dd>
        <dt>Expires</dt><dd>{expires_at === null ? "never"
          : expires_at <= now ? <span class="warn-text">it has expired, {when(expires_at)}</span> : when(expires_at)}</dd>
      </dl>
      <p class="row">{sure.value ? (
        <span class="row confirm" role="group" aria-label={`Revoke ${name}?`}>
          <button class="danger" disabled={busy.value} onClick={() => void revoke()}>Yes, refuse it from now on</button>
          <button onClick={() => (sure.value = false)}>Keep it</button>
        </span>
      ) : <button aria-label={`Revoke ${name}`} onClick={() => (sure.value = true)}><Icon name="ban" size={14} /> Revoke</button>}</p>
    </>
  );
}

function NewKey({ close, done }: { close: () => void; done: (key: MadeKey) => void }): JSX.Element {
  const name = useSignal("");
  const role = useSignal("viewer");
  const user = useSignal("");
  const days = useSignal("");
  const busy = useSignal(false);
  const make = async (): Promise<void> => {
    busy.value = true;
    await attempt(async () => done(await api.createKey({
      name: name.value.trim(), role: role.value,
      ...(user.value.trim() === "" ? {} : { user: user.value.trim() }),
      ...(days.value === "" ? {} : { expires_in: Number(days.value) * DAY_SECONDS }),
    })));
    busy.value = false;
  };
  return (
    <Dialog title="A new key" close={close}>
      <form class="form" onSubmit={(event) => {
        event.preventDefault();
        if (name.value.trim() !== "") void make();
      }}>
        <div class="field"><label for="key-name">Name</label>
          <input id="key-name" autocomplete="off" required value={name.value} onInput={(event) => (name.value = event.currentTarget.value)} /></div>
        <div class="field"><label for="key-role">Role</label>
          <p class="hint" id="key-role-hint">A {role.value} {ROLES.find(([one]) => one === role.value)?.[1]}.</p>
          <select id="key-role" aria-describedby="key-role-hint" value={role.value}
            onChange={(event) => (role.value = event.currentTarget.value)}>
            {ROLES.map(([one]) => <option value={one}>{one}</option>)}</select></div>
        <div class="field"><label for="key-user">Only for this user</label>
          <p class="hint" id="key-user-hint">Its holder sees the runs and sessions of that user only. Empty for those of all.</p>
          <input id="key-user" autocomplete="off" aria-describedby="key-user-hint" value={user.value}
            onInput={(event) => (user.value = event.currentTarget.value)} /></div>
        <div class="field"><label for="key-days">Expires</label>
          <select id="key-days" value={days.value} onChange={(event) => (days.value = event.currentTarget.value)}>
            {DAYS.map(([value, text]) => <option value={value}>{text}</option>)}</select></div>
        <div class="row"><button class="primary" type="submit" disabled={busy.value}>Make it</button></div>
      </form>
    </Dialog>
  );
}
