// Measures the page with 10 000 events in a run and 100 000 runs in a list, and prints the figures.
// The limits are wide, because machines of tests are slow and busy: a list that draws every row, or
// a fold for each event that is drawn, is beyond them by far.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { startServer } from "../dev/server.mjs";

const EVENTS = 10_000;
const ROWS = 100_000;
const FRAMES = 120;
let server;
let browser;

before(async () => {
  server = await startServer({ rows: ROWS, big: EVENTS });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
});
after(async () => {
  await browser?.close();
  server?.stop();
});

const at = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
const text = (ms) => `${ms.toFixed(1)} ms`;

async function open(address) {
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable");
  await page.goto(server.url + address);
  return { page, cdp };
}

/** Does `act` once a frame, and measures the frames and the work of the main thread for each. */
async function frames(page, cdp, name, act, limit) {
  const work = async () => {
    const { metrics } = await cdp.send("Performance.getMetrics");
    return metrics.find((metric) => metric.name === "TaskDuration").value * 1000;
  };
  const began = await work();
  const deltas = await page.evaluate(`new Promise((done) => {
    const act = ${act};
    const deltas = [];
    let before = performance.now();
    let at = 0;
    const frame = () => {
      const now = performance.now();
      if (at > 0) deltas.push(now - before);
      before = now;
      if (at >= ${FRAMES}) return done(deltas);
      act(at);
      at += 1;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  })`);
  const busy = (await work() - began) / FRAMES;
  const sorted = deltas.sort((a, b) => a - b);
  console.log(`# ${name}: frame p50 ${text(at(sorted, 0.5))}, p95 ${text(at(sorted, 0.95))}, longest ${text(sorted.at(-1))}; main thread ${text(busy)} a frame`);
  assert.ok(busy < limit, `${name} needs ${text(busy)} of the main thread a frame`);
}

test("a run of 10 000 events stays smooth", async () => {
  const { page, cdp } = await open("#/runs/big");
  const began = Date.now();
  await page.waitForSelector('main[data-status="COMPLETED"]', { timeout: 60_000 });
  console.log(`# ${EVENTS} events are loaded, folded and drawn after ${Date.now() - began} ms`);
  const rows = await page.locator(".tl-row").count();
  assert.ok(rows < 80, `${rows} rows exist`);
  await frames(page, cdp, "scrolling the timeline", `() => { document.querySelector(".tl-rows").scrollTop += 260; }`, 40);
  await frames(page, cdp, "scrubbing backwards", `(at) => {
    const slider = document.querySelector('input[type="range"]');
    slider.value = String(9900 - at * 75);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  }`, 90);
  await page.getByRole("button", { name: "Newest event" }).click();
  await page.getByRole("tab", { name: "Events" }).click();
  await page.waitForSelector(".event-row");
  await page.evaluate(`document.querySelector(".event-rows").scrollTop = 0`);
  await frames(page, cdp, "scrolling the events", `() => { document.querySelector(".event-rows").scrollTop += 400; }`, 40);
  await page.close();
});

test("a run into which 3 000 events stream stays smooth", async () => {
  const events = [...server.runs.get("big").events];
  const run = server.add("streaming", events.slice(0, 7000).map((event) => ({ ...event, run_id: "streaming" })));
  const { page, cdp } = await open("#/runs/streaming");
  await page.waitForSelector('main[data-status="RUNNING"]');
  await page.getByText("live", { exact: true }).waitFor();
  let sent = 7000;
  const timer = setInterval(() => {
    for (let piece = 0; piece < 25 && sent < 9990; piece += 1, sent += 1) {
      server.push(run, { ...events[sent], run_id: "streaming" });
    }
  }, 16);
  await frames(page, cdp, "drawing while events stream in", "() => undefined", 90);
  clearInterval(timer);
  await page.close();
});

test("a list of 100 000 runs stays smooth, and loads pages as it is scrolled", async () => {
  const { page, cdp } = await open("#/runs");
  await page.waitForSelector("a.run-row");
  await frames(page, cdp, "scrolling the runs", `() => { document.querySelector(".run-rows").scrollTop += 700; }`, 40);
  // To the end: the server is asked for page after page.
  const began = Date.now();
  await page.evaluate(`new Promise((done) => {
    const box = document.querySelector(".run-rows");
    let before = 0;
    let same = 0;
    const timer = setInterval(() => {
      box.scrollTop = box.scrollHeight;
      same = box.scrollHeight === before ? same + 1 : 0;
      before = box.scrollHeight;
      if (before >= ${ROWS} * 44 || same > 3000) { clearInterval(timer); done(); }
    }, 10);
  })`);
  const height = await page.evaluate(`document.querySelector(".vspace").clientHeight`);
  console.log(`# ${ROWS} rows were paged through in ${Date.now() - began} ms; the list is ${height} px high`);
  await page.waitForFunction(() => {
    const box = document.querySelector(".run-rows");
    box.scrollTop = box.scrollHeight;
    return [...document.querySelectorAll("a.run-row code")].at(-1)?.textContent === "run-000001";
  });
  const rows = await page.locator("a.run-row").count();
  assert.ok(rows < 80, `${rows} rows exist`);
  await frames(page, cdp, "scrolling 100 000 loaded runs", `() => { document.querySelector(".run-rows").scrollTop -= 700; }`, 40);
  await page.close();
});

test("the first paint comes within a second on a processor that is four times slower", async () => {
  const page = await browser.newPage();
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Emulation.setCPUThrottlingRate", { rate: 4 });
  await page.goto(`${server.url}#/runs`);
  await page.waitForSelector("a.run-row");
  const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? -1);
  console.log(`# first contentful paint, processor 4 times slower: ${text(paint)}`);
  assert.ok(paint > 0 && paint < 3000, `first paint after ${paint} ms`);
  await page.close();
});
