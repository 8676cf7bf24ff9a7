// Media of a run, as the page asks its server for them.
import { test } from "node:test";
import assert from "node:assert/strict";
import { load } from "./load.mjs";

const asked = [];
let answer = () => new Response(new Uint8Array([1, 2, 3]));
globalThis.document = { baseURI: "http://example.test/app/#/runs/r-1" };
globalThis.sessionStorage = { getItem: () => "sw_1" };
globalThis.fetch = async (address, { headers, signal }) => {
  asked.push({ address, headers, aborted: signal.aborted });
  return answer();
};
const { api } = await load("api.ts");
const signal = new AbortController().signal;

test("the bytes are asked of the run with the key, and come as a blob", async () => {
  const blob = await api.media("anna:1", "ab12", signal);
  assert.equal(blob.size, 3);
  assert.deepEqual(asked.pop(), {
    address: "http://example.test/app/v1/runs/anna%3A1/media/ab12",
    headers: { authorization: "Bearer sw_1" }, aborted: false,
  });
});

test("bytes that the server does not have are a problem, and no picture", async () => {
  answer = () => Response.json({ title: "not found", detail: "media `ab12` of run `r-1`" }, { status: 404 });
  await assert.rejects(api.media("r-1", "ab12", signal), (problem) => problem.status === 404);
});
