// The page in a real browser: `scripts/test-viewer.sh` runs this. It stands on the stand-in server,
// which replays recorded streams.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";
import { askingRun, startServer } from "../dev/server.mjs";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const screens = process.env.SCREENS;
const folder = mkdtempSync(join(tmpdir(), "stepwright-viewer-"));
let server;
let browser;

before(async () => {
  server = await startServer({ rows: 500 });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox"] });
  if (screens) mkdirSync(screens, { recursive: true });
});
after(async () => {
  await browser?.close();
  server?.stop();
  rmSync(folder, { recursive: true });
});

/** Opens a page that fails the test at any error, and at any request to elsewhere. */
async function open(address, { width = 1440, height = 900, scheme = "light", offline = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme,
    deviceScaleFactor: width < 600 ? 2 : 1, acceptDownloads: true });
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(`error: ${error.message}`));
  page.on("console", (message) => {
    // A 404 that a test provokes is told by the browser too.
    if (message.type() === "error" && !/404/.test(message.text())) wrong.push(`console: ${message.text()}`);
  });
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    const own = host === new URL(server.url).host || ["data:", "blob:", "file:"].includes(protocol);
    if (!own || (offline && protocol !== "file:" && protocol !== "data:")) wrong.push(`request: ${request.url()}`);
  });
  await page.goto(/^[a-z]+:/.test(address) ? address : server.url + address);
  return { page, wrong, async close() {
    assert.deepEqual(wrong, []);
    await context.close();
  } };
}

const status = (page, wanted) => page.waitForSelector(`main[data-status="${wanted}"]`, { timeout: 30_000 });

test("a run is started from a form, watched while it goes on, answered, and completes", async () => {
  const { page, close } = await open("#/workflows/research-desk");
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByText("Topic is required").waitFor();
  await page.getByLabel(/Topic/).fill("Why bridges sing");
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await status(page, "RUNNING");
  await page.getByText("live", { exact: true }).waitFor();
  await page.getByRole("tab", { name: "Graph" }).click();
  await page.waitForSelector(".g-box.running");
  // The text of an agent appears while it is written.
  await page.waitForSelector(".g-partial");
  await status(page, "PAUSED");
  const request = page.getByRole("article", { name: /publish/ });
  await request.getByLabel(/Channel/).selectOption("newsletter");
  await request.getByLabel("Headline").fill("Singing bridges");
  await request.getByRole("button", { name: "Submit" }).click();
  await status(page, "COMPLETED");
  await page.getByRole("tab", { name: "Output & state" }).click();
  await page.locator(".outcome").getByText("Why bridges sing").first().waitFor();
  const run = [...server.runs.values()].find((other) => /^r-/.test(other.id));
  const answer = run.events.find((event) => event.event === "StepContinued").answer;
  assert.deepEqual(answer, { decision: "submit",
    value: { channel: "newsletter", headline: "Singing bridges", notify: false } });
  await close();
});

test("the scrubber rewinds status, graph, state and output together", async () => {
  const { page, close } = await open("#/runs/desk?view=output");
  await status(page, "COMPLETED");
  await page.locator(".outcome").getByText("topic", { exact: true }).first().waitFor();
  const state = page.locator(".outcome .section", { hasText: "Session state" });
  await state.getByText("runs").waitFor();
  await page.getByRole("slider", { name: "Event" }).fill("20");
  await status(page, "RUNNING");
  await page.getByText("This is the run at event 20").waitFor();
  await state.getByText("The session state is empty.").waitFor();
  await page.locator(".outcome").getByText("No output yet").waitFor();
  await page.getByRole("tab", { name: "Graph" }).click();
  assert.equal(await page.locator(".g-group.idle", { hasText: "sections" }).count(), 1);
  assert.match(page.url(), /at=20/);
  await page.getByRole("button", { name: "Back to the present" }).click();
  await status(page, "COMPLETED");
  assert.equal(await page.locator(".g-group.completed", { hasText: "sections" }).count(), 1);
  await close();
});

test("an address leads to an event and a step", async () => {
  const { page, close } = await open("#/runs/desk?at=18&step=gather%2Fnotes");
  await status(page, "RUNNING");
  await page.getByRole("heading", { name: /notes/ }).waitFor();
  await page.getByText("read_file answered").waitFor();
  assert.equal(await page.locator(".scrub-count").textContent(), "18 / 101");
  await close();
});

test("keys go through rows and events, close branches, and name themselves", async () => {
  const { page, close } = await open("#/runs/desk");
  await page.waitForSelector(".tl-row");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.waitForSelector('.tl-row.selected[aria-selected="true"]');
  assert.match(page.url(), /step=gather/);
  const rows = () => page.getByRole("treeitem").count();
  const all = await rows();
  await page.keyboard.press("h");
  await page.waitForFunction((count) => document.querySelectorAll('[role="treeitem"]').length !== count || document.querySelector('[aria-expanded="false"]'), all);
  await page.keyboard.press("[");
  await page.getByText("This is the run at event 100").waitFor();
  await page.keyboard.press("2");
  await page.waitForSelector(".graph");
  await page.keyboard.press("Shift+?");
  const keys = page.getByRole("dialog", { name: "Keys" });
  await keys.waitFor();
  await page.keyboard.press("Escape");
  await keys.waitFor({ state: "detached" });
  await page.keyboard.press("g");
  await page.keyboard.press("i");
  await page.getByRole("heading", { name: "Inbox" }).waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("s");
  await page.getByRole("heading", { name: "Schedules" }).waitFor();
  await close();
});

test("a run is forked with a changed input, and compared with its origin", async () => {
  const { page, close } = await open("#/runs/desk?step=revise%231%2Fdraft");
  await page.getByRole("button", { name: "Fork with changes" }).click();
  await page.getByLabel("Input").fill('{"topic": "Tunnels"}');
  await page.getByRole("dialog").getByRole("button", { name: "Fork", exact: true }).click();
  await page.getByText("forked from").waitFor();
  await status(page, "PAUSED");
  await page.getByRole("link", { name: "Compare" }).click();
  await page.getByText("They part at").waitFor();
  assert.ok((await page.locator(".pair-row").count()) > 5);
  await page.getByLabel("Only differences").check();
  assert.ok((await page.locator(".pair-row:not(.differs)").count()) === 0);
  await close();
});

test("a chat keeps its session, and shows each answer", async () => {
  const { page, close } = await open("#/chat/blog");
  const ask = async (text) => {
    await page.getByLabel("Message").fill(text);
    await page.getByRole("button", { name: "Send" }).click();
  };
  await ask("Why ants carry leaves");
  await page.locator(".bubble.model .mark.completed").waitFor();
  await ask("And then?");
  await page.locator(".bubble.model .mark.completed").nth(1).waitFor();
  const session = new URLSearchParams(page.url().split("?")[1]).get("session");
  const sessions = [...server.runs.values()].filter((run) => /^r-/.test(run.id) && run.events[0].workflow_id === "blog")
    .map((run) => run.events[0].session_id);
  assert.deepEqual(sessions, [session, session]);
  await close();
});

test("the inbox lists all pending requests, and answers one", async () => {
  const { page, close } = await open("#/inbox");
  const article = page.getByRole("article", { name: /publish/ }).filter({ hasText: "Publish it?" });
  await article.getByRole("button", { name: "Approve" }).click();
  await article.waitFor({ state: "detached" });
  const answer = server.runs.get("article").events.findLast((event) => event.event === "StepContinued");
  assert.deepEqual(answer.answer, { decision: "approve" });
  await close();
});

test("a permission can be given for good only where a rule describes the effect", async () => {
  const effect = { requires: "permission", message: "May it push?", effect: "shell: git push" };
  const ask = (id, more) => server.add(id, askingRun(id, "article", { id: `${id}!permit`, path: id, ...effect, ...more }, Date.now()));
  const asked = [ask("unruled", {}), ask("ruled", { rule: "shell(git push *)" }),
    ask("folder", { rule: "write(/tmp/run/a.txt)", for_run: true })];
  const { page, close } = await open("#/inbox");
  const of = (id) => page.getByRole("article", { name: `Needs a permission: ${id}` });
  await of("unruled").getByRole("button", { name: "Approve" }).waitFor();
  assert.equal(await of("unruled").getByText("Always").count(), 0);
  await of("folder").getByRole("button", { name: "Always in this run" }).waitFor();
  await of("ruled").getByText("Always allows shell(git push *)").waitFor();
  await of("ruled").getByRole("button", { name: "Always in the session" }).click();
  await of("ruled").waitFor({ state: "detached" });
  const answer = server.runs.get("ruled").events.findLast((event) => event.event === "StepContinued");
  assert.deepEqual(answer.answer, { decision: "always" });
  for (const run of asked) server.runs.delete(run.id);
  await close();
});

test("a schedule shows its times, is paused and resumed, and begins a run now", async () => {
  const { page, close } = await open("#/schedules");
  const card = page.locator(".card", { hasText: "digest.morning" });
  await card.getByText("0 9 * * mon-fri").waitFor();
  await card.getByText("in 5 h").waitFor();
  assert.equal(await card.getByRole("link", { name: "its run" }).getAttribute("href"), "#/runs/digest.morning.20261130T080000Z");
  await page.locator(".card", { hasText: "triage.hourly" }).getByText("was under way").waitFor();
  await card.getByRole("button", { name: "Pause digest.morning" }).click();
  await card.getByText("Its times pass without runs").waitFor();
  await card.getByRole("button", { name: "Resume digest.morning" }).click();
  await card.getByText("Active").waitFor();
  await card.getByRole("button", { name: "Run now: digest.morning" }).click();
  await page.waitForFunction(() => location.hash.startsWith("#/runs/r-"));
  await status(page, "COMPLETED");
  await page.goBack();
  await card.getByRole("link", { name: "Runs at its times: digest.morning" }).click();
  await page.locator("a.run-row code", { hasText: /^digest\.morning\.2026/ }).waitFor();
  await close();
});

test("a webhook gets a new address after a second question, which is shown once", async () => {
  const { page, close } = await open("#/schedules");
  await page.getByRole("button", { name: "New address of order.paid" }).click();
  await page.getByRole("button", { name: "Yes, refuse the one of now" }).click();
  const dialog = page.getByRole("dialog", { name: "The new address of order.paid" });
  await dialog.getByText(`${server.url}v1/hooks/swh_`).waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal(await page.getByText("swh_").count(), 0);
  await close();
});

test("a key is made, shown once, and revoked after a second question", async () => {
  const { page, close } = await open("#/keys");
  await page.locator(".card", { hasText: "ci" }).getByText("it has expired").waitFor();
  await page.getByRole("button", { name: "New key" }).click();
  const dialog = page.getByRole("dialog", { name: "A new key" });
  await dialog.getByLabel("Name").fill("desk");
  await dialog.getByLabel("Role").selectOption("approver");
  await dialog.getByLabel("Expires").selectOption("30");
  await dialog.getByRole("button", { name: "Make it" }).click();
  const shown = page.getByRole("dialog", { name: "The key desk" });
  await shown.getByText(/^sw_/).waitFor();
  await page.keyboard.press("Escape");
  await shown.waitFor({ state: "detached" });
  assert.equal(await page.getByText(/^sw_/).count(), 0);
  const card = page.locator(".card", { hasText: "desk" });
  await card.getByText("approver").waitFor();
  await card.getByRole("button", { name: "Revoke desk" }).click();
  await page.getByRole("button", { name: "Yes, refuse it from now on" }).click();
  await card.waitFor({ state: "detached" });
  await close();
});

test("the spend of the days is the sum of the runs that began in them", async () => {
  const { page, close } = await open("#/spend?days=7");
  await page.waitForSelector("main:not([aria-busy])");
  // Sums of the days and of the workflows are of the same runs.
  const cells = (section, nth) => page.getByRole("region", { name: section }).locator(`tbody tr td:nth-of-type(${nth})`)
    .evaluateAll((all) => all.map((cell) => Number(cell.textContent.replace(/[^\d.]/g, "")) || 0));
  const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);
  const today = new Date();
  const since = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 6).getTime();
  const rows = [];
  let all = 0;
  for (let cursor = ""; cursor !== null;) {
    const page = await (await fetch(`${server.url}v1/runs?limit=200&cursor=${cursor}`)).json();
    all += page.runs.length;
    rows.push(...page.runs.filter((row) => row.created_at >= since));
    cursor = page.next;
  }
  assert.ok(rows.length > 200 && rows.length < all, `${rows.length} of ${all} runs are more than a page, and not all`);
  const runs = await cells("By day", 1);
  assert.equal(runs.length, 7);
  assert.equal(sum(runs), rows.length);
  assert.equal(sum(await cells("By workflow", 1)), rows.length);
  const cost = rows.reduce((all, row) => all + (row.cost ?? 0), 0);
  assert.ok(Math.abs(sum(await cells("By workflow", 3)) - cost) < 0.1, `${cost}`);
  await page.getByText(/used a model without a price/).waitFor();
  await page.getByRole("button", { name: "90 days" }).click();
  await page.locator(".figures").getByText(String(all), { exact: true }).waitFor();
  assert.match(page.url(), /#\/spend\?days=90$/);
  await close();
});

test("budgets stand beside the spend, and more of one is given in its unit", async () => {
  const { page, close } = await open("#/spend");
  await page.getByText("$1.50, 10 min").waitFor();
  await page.getByText("1,000,000 tokens").waitFor();
  const request = page.getByRole("article", { name: "Budget is spent: write" });
  await request.getByText("$1.49 of $1.50 are used or reserved.").waitFor();
  await request.getByLabel("Another amount, in US dollars").fill("0.75");
  await request.getByRole("button", { name: "Give 0.75 US dollars" }).click();
  await request.waitFor({ state: "detached" });
  const answer = server.runs.get("limited").events.findLast((event) => event.event === "StepContinued");
  assert.deepEqual(answer.answer, { decision: "submit", value: 0.75 });
  server.add("limited", askingRun("limited", "research-desk", server.runs.get("limited").events[1].requirement, Date.now()));
  await close();
});

test("the filters of the list are in its address", async () => {
  const { page, close } = await open("#/runs?status=ERROR");
  await page.waitForSelector(".run-row .pill.failed");
  assert.equal(await page.locator("a.run-row .pill:not(.failed)").count(), 0);
  // Why a run failed is not in its row, and comes when that is in sight.
  await page.locator("a.run-row .error-text").first().waitFor();
  await page.getByRole("button", { name: "Failed" }).click();
  await page.getByLabel("Search runs").fill("refund-paused");
  await page.waitForFunction(() => location.hash === "#/runs?q=refund-paused");
  await page.waitForFunction(() => document.querySelectorAll("a.run-row").length === 1);
  await page.getByText("I want my money back").waitFor();
  await page.getByLabel("Search runs").fill("nothing like this");
  await page.getByText("No run fits these filters").waitFor();
  await close();
});

test("a run that begins elsewhere appears in the list by itself", async () => {
  const { page, close } = await open("#/runs");
  await page.waitForSelector("a.run-row");
  const [first] = server.runs.get("blog").events;
  server.add("from-elsewhere", [{ ...first, run_id: "from-elsewhere", time_ms: Date.now() }]);
  await page.getByText("from-elsewhere").waitFor();
  server.runs.delete("from-elsewhere");
  await close();
});

test("a run is cancelled after a second question, and says so", async () => {
  const { page, close } = await open("#/runs/refund-paused");
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Keep it" }).click();
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Yes, cancel" }).click();
  await status(page, "CANCELLED");
  await page.getByRole("button", { name: "Retry" }).waitFor();
  await close();
});

test("a run that does not exist says so", async () => {
  const { page, close } = await open("#/runs/missing");
  await page.getByRole("heading", { name: "This run cannot be shown" }).waitFor();
  await close();
});

test("text of a model is never markup of the page", async () => {
  const events = server.runs.get("blog").events.map((event) => ({ ...event, run_id: "evil" }));
  const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script> [a](javascript:alert(1)) </script>';
  events.at(-1).content = evil;
  server.add("evil", events);
  const { page, close } = await open("#/runs/evil?view=output");
  await page.locator(".outcome").getByText("<img src=x").waitFor();
  assert.equal(await page.locator(".outcome img, .outcome script, .outcome a[href^=javascript]").count(), 0);
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export" }).click();
  const file = join(folder, "evil.html");
  await (await download).saveAs(file);
  const kept = await open(`file://${file}`, { offline: true });
  await kept.page.getByRole("tab", { name: "Output & state" }).click();
  await kept.page.locator(".outcome").getByText("<img src=x").waitFor();
  await kept.close();
  server.runs.delete("evil");
  await close();
});

test("an exported run opens without a server, and asks for nothing", async () => {
  const { page, close } = await open("#/runs/desk");
  await status(page, "COMPLETED");
  const download = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export" }).click();
  const file = join(folder, "desk.html");
  await (await download).saveAs(file);
  await close();
  const kept = await open(`file://${file}`, { offline: true });
  await status(kept.page, "COMPLETED");
  await kept.page.getByRole("tab", { name: "Graph" }).click();
  await kept.page.getByRole("button", { name: /archive/ }).click();
  await kept.page.getByText("The Severn crossing").first().waitFor();
  assert.equal(await kept.page.getByRole("button", { name: "Fork" }).count(), 0);
  await kept.page.getByRole("slider", { name: "Event" }).fill("10");
  await status(kept.page, "RUNNING");
  await kept.close();
});

const PAGES = {
  runs: "#/runs", run: "#/runs/desk-live", "run-step": "#/runs/desk?step=gather%2Fnotes",
  graph: "#/runs/desk?view=graph&step=gather%2Fmirror", events: "#/runs/desk?view=events&at=27",
  output: "#/runs/desk?view=output", failed: "#/runs/undo", inbox: "#/inbox", workflows: "#/workflows",
  start: "#/workflows/research-desk", chat: "#/chat/triage", compare: "#/compare?a=desk&b=desk-fork",
  schedules: "#/schedules", spend: "#/spend", keys: "#/keys",
};
for (const [name, address] of Object.entries(PAGES)) {
  test(`axe finds nothing serious on ${name}, at desktop and phone width, light and dark`, async () => {
    for (const [width, height, scheme] of [[1440, 900, "light"], [1440, 900, "dark"], [390, 844, "light"], [390, 844, "dark"]]) {
      const { page, close } = await open(address, { width, height, scheme });
      await page.waitForLoadState("networkidle").catch(() => undefined);
      await page.waitForSelector("main:not([aria-busy])");
      await page.waitForTimeout(300);
      if (screens) await page.screenshot({ path: join(screens, `${name}-${width}-${scheme}.png`) });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 0, `${name} is ${wide} px too wide at ${width}`);
      await page.evaluate(axeSource.replace(/^/, "window.define=undefined;"));
      const { violations } = await page.evaluate(() => window.axe.run());
      const serious = violations.filter((one) => ["serious", "critical"].includes(one.impact))
        .map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ""}`).join(" | ")}`);
      assert.deepEqual(serious, [], `${name} at ${width} ${scheme}`);
      await close();
    }
  });
}
