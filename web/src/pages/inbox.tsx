// All pending requests of all runs in one list.

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { api } from "../api";
import type { InboxEntry } from "../model/types";
import { href } from "../router";
import { isForPeople, Request } from "../run/requests";
import { Icon } from "../ui/icons";
import { explain } from "../ui/toast";

export const entries = signal<InboxEntry[] | null>(null);
const problem = signal<string | null>(null);
const SHOWN_MAX = 50;
const shown = signal(SHOWN_MAX);

/** The number of requests that wait for people, for the navigation. */
export const waitingCount = signal(0);

export async function refreshInbox(): Promise<void> {
  if (document.hidden) return;
  try {
    const found = (await api.inbox()).filter((entry) => isForPeople(entry.requirement));
    // Forms keep what is typed: an entry that is still there stays the same object.
    const before = new Map((entries.value ?? []).map((entry) => [key(entry), entry]));
    entries.value = found.map((entry) => before.get(key(entry)) ?? entry);
    waitingCount.value = found.length;
    problem.value = null;
  } catch (error) {
    problem.value = explain(error);
  }
}

const key = (entry: InboxEntry): string => `${entry.run.run_id} ${entry.requirement.id}`;

export function InboxPage(): JSX.Element {
  useEffect(() => {
    void refreshInbox();
    const timer = setInterval(() => void refreshInbox(), 3000);
    return () => clearInterval(timer);
  }, []);
  const all = entries.value;
  return (
    <main class="page narrow">
      <div class="page-head"><h1>Inbox</h1>{all && all.length > 0 && <span class="quiet">{all.length} waiting</span>}</div>
      {problem.value && <p class="banner failed" role="alert">{problem.value}</p>}
      {all?.length === 0 && <div class="empty"><Icon name="inbox" size={28} /><h2>All is answered</h2>
        <p>When a run asks for an approval, a form or a choice, it appears here.</p></div>}
      {all?.slice(0, shown.value).map((entry) => (
        <Request key={key(entry)} run={entry.run.run_id} requirement={entry.requirement} from={null}
          answered={() => void refreshInbox()}
          heading={<a class="strong" href={href(["runs", entry.run.run_id])}>{entry.run.workflow_id}</a>} />
      ))}
      {all && all.length > shown.value && (
        <button onClick={() => (shown.value += SHOWN_MAX)}>Show {Math.min(SHOWN_MAX, all.length - shown.value)} more</button>
      )}
    </main>
  );
}
