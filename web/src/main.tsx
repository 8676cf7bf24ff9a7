// The page: navigation, keys, and the page that the address names.

import { signal } from "@preact/signals";
import { render, type JSX } from "preact";
import { useEffect } from "preact/hooks";
import { needsKey, setKey } from "./api";
import { embedded } from "./embedded";
import { isForField, KEYS } from "./keys";
import { ChatPage } from "./pages/chat";
import { ComparePage } from "./pages/compare";
import { InboxPage, refreshInbox, waitingCount } from "./pages/inbox";
import { KeysPage } from "./pages/keys";
import { RunPage } from "./pages/run";
import { RunsPage } from "./pages/runs";
import { SchedulesPage } from "./pages/schedules";
import { SpendPage } from "./pages/spend";
import { StartPage, WorkflowsPage } from "./pages/workflows";
import { go, route } from "./router";
import { Dialog } from "./ui/dialog";
import { Icon } from "./ui/icons";
import { Toasts } from "./ui/toast";

const LINKS: [string, string, string][] = [
  ["runs", "Runs", "runs"], ["inbox", "Inbox", "inbox"], ["workflows", "Workflows", "flow"],
  ["chat", "Chat", "chat"], ["schedules", "Schedules", "clock"], ["spend", "Spend", "spend"],
  ["keys", "API keys", "key"],
];
const INBOX_MS = 10_000;
const help = signal(false);
const theme = signal(stored("stepwright-theme") ?? "auto");

function stored(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    // A file that was opened without a server may have no storage.
    return null;
  }
}

function showTheme(name: string): void {
  theme.value = name;
  document.documentElement.dataset["theme"] = name;
  try {
    localStorage.setItem("stepwright-theme", name);
  } catch {
    // It holds until the page is closed.
  }
}

function dark(): boolean {
  return theme.value === "dark" || (theme.value === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
}

function Page(): JSX.Element {
  const kept = embedded();
  if (kept) return <RunPage id={kept.run?.run_id ?? kept.events[0]?.run_id ?? "run"} />;
  const [first, second] = route.value.parts;
  switch (first) {
    case "runs": return second === undefined ? <RunsPage /> : <RunPage key={second} id={second} />;
    case "inbox": return <InboxPage />;
    case "workflows": return second === undefined ? <WorkflowsPage /> : <StartPage key={second} id={second} />;
    case "chat": return <ChatPage id={second} />;
    case "schedules": return <SchedulesPage />;
    case "spend": return <SpendPage />;
    case "keys": return <KeysPage />;
    case "compare": return <ComparePage />;
    case undefined: return <RunsPage />;
    default: return <main class="page"><div class="empty"><h1>There is no such page</h1><a class="button" href="#/runs">All runs</a></div></main>;
  }
}

function App(): JSX.Element {
  const at = route.value.parts[0] ?? "runs";
  useKeys();
  useEffect(() => {
    if (embedded()) return;
    void refreshInbox();
    const timer = setInterval(() => {
      if (route.value.parts[0] !== "inbox") void refreshInbox();
    }, INBOX_MS);
    return () => clearInterval(timer);
  }, []);
  const waiting = waitingCount.value;
  document.title = [route.value.parts[1], at === "runs" ? null : at, "Stepwright"].filter(Boolean).join(" · ");
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => {
        event.preventDefault();
        const main = document.querySelector("main");
        main?.setAttribute("tabindex", "-1");
        main?.focus();
      }}>Skip to the content</a>
      <header class="top">
        <a class="brand" href={embedded() ? "#/" : "#/runs"}><Brand />Stepwright</a>
        {!embedded() && (
          <nav aria-label="Pages">
            {LINKS.map(([name, label, icon]) => (
              <a href={`#/${name}`} aria-current={at === name ? "page" : undefined}><Icon name={icon} /><span>{label}</span>
                {name === "inbox" && waiting > 0 && <span class="badge" aria-label={`${waiting} waiting`}>{waiting > 99 ? "99+" : waiting}</span>}</a>
            ))}
          </nav>
        )}
        <span class="grow" />
        <button class="ghost icon-button" aria-label={dark() ? "Light colours" : "Dark colours"}
          onClick={() => showTheme(dark() ? "light" : "dark")}><Icon name={dark() ? "sun" : "moon"} /></button>
        <button class="ghost icon-button" aria-label="Keys" onClick={() => (help.value = true)}><Icon name="help" /></button>
      </header>
      <Page />
      {help.value && <Dialog title="Keys" close={() => (help.value = false)}>
        <dl class="keys">{KEYS.map(([keys, what]) => (
          <div><dt>{keys.split(" ").map((key) => <kbd>{key}</kbd>)}</dt><dd>{what}</dd></div>
        ))}</dl></Dialog>}
      {needsKey.value && <SignIn />}
      <Toasts />
    </>
  );
}

function Brand(): JSX.Element {
  return <svg width="22" height="22" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" class="brand-tile" />
    <path d="M8 23h6v-6h6v-6h6" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round" /></svg>;
}

function SignIn(): JSX.Element {
  const key = signal("");
  return (
    <Dialog title="This server asks for a key" close={() => (needsKey.value = false)}>
      <form class="form" onSubmit={(event) => {
        event.preventDefault();
        if (!key.value) return;
        setKey(key.value);
        location.reload();
      }}>
        <div class="field"><label for="api-key">API key</label>
          <p class="hint" id="api-key-hint">It stays in this tab, and goes to this server alone.</p>
          <input id="api-key" type="password" autocomplete="off" aria-describedby="api-key-hint"
            onInput={(event) => (key.value = event.currentTarget.value)} /></div>
        <div class="row"><button class="primary" type="submit">Use this key</button></div>
      </form>
    </Dialog>
  );
}

let pending = "";

function useKeys(): void {
  useEffect(() => {
    const pressed = (key: KeyboardEvent): void => {
      if (isForField(key)) return;
      if (key.key === "?") help.value = true;
      else if (pending === "g" && !embedded()) {
        const name = ({ r: "runs", i: "inbox", w: "workflows", c: "chat", s: "schedules", p: "spend" } as { [key: string]: string })[key.key];
        if (name) go(`#/${name}`);
      }
      pending = key.key;
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

document.documentElement.dataset["theme"] = theme.value;
render(<App />, document.getElementById("app")!);
