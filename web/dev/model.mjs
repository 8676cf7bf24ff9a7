// A stand-in for a language model, for development and recordings only: it speaks the wire of
// Chat Completions, streams fixed sentences, and calls the first tool of a request once.
import { createServer } from "node:http";

const TEXTS = [
  "Bridges sing when wind sheds vortices from their cables. Each cable has a pitch of its own, and dampers quiet it.",
  "The Severn crossing was opened in 1966. Its hangers were inclined, which stiffened the deck and shifted the load.",
  "## Findings\n\n- Vortices form behind round cables.\n- Dampers cost little.\n- Inspect the anchors **twice a year**.\n\n| Bridge | Year |\n|---|---|\n| Severn | 1966 |\n| Humber | 1981 |\n",
];

/** Starts the stand-in. Returns its address and a function that stops it. */
export async function startModel({ delay = 12, failFirst = 0 } = {}) {
  let requests = 0;
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    const asked = JSON.parse(body || "{}");
    requests += 1;
    if (requests <= failFirst) {
      response.writeHead(503, { "content-type": "application/json" });
      response.end('{"error":{"message":"the model is overloaded","type":"server_error"}}');
      return;
    }
    const messages = asked.messages ?? [];
    const told = messages.some((message) => message.role === "tool");
    const call = asked.tools?.length && !told ? asked.tools[0].function : undefined;
    const said = JSON.stringify(messages);
    let text = TEXTS[said.length % TEXTS.length];
    if (/verdict/i.test(said)) text = messages.length && /turn 1/i.test(said) ? "Too long." : "FINAL. Good.";
    const usage = {
      prompt_tokens: Math.ceil(said.length / 4),
      completion_tokens: Math.ceil(text.length / 4),
      total_tokens: Math.ceil((said.length + text.length) / 4),
      prompt_tokens_details: { cached_tokens: Math.floor(said.length / 12) },
    };
    const id = `chatcmpl-${requests}`;
    const model = asked.model ?? "stand-in";
    const piece = (delta, finish = null, more = {}) =>
      `data: ${JSON.stringify({
        id, object: "chat.completion.chunk", created: 0, model,
        choices: [{ index: 0, delta, finish_reason: finish }], ...more,
      })}\n\n`;
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(piece({ role: "assistant", content: "" }));
    if (call) {
      const calls = [{ index: 0, id: `call-${requests}`, type: "function",
        function: { name: call.name, arguments: '{"path":"examples/notes.md"}' } }];
      response.write(piece({ tool_calls: calls }));
      response.write(piece({}, "tool_calls"));
    } else {
      for (const word of text.match(/\S+\s*/g)) {
        response.write(piece({ content: word }));
        await new Promise((done) => setTimeout(done, delay));
      }
      response.write(piece({}, "stop"));
    }
    response.write(`data: ${JSON.stringify({ id, object: "chat.completion.chunk", created: 0,
      model, choices: [], usage })}\n\n`);
    response.end("data: [DONE]\n\n");
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { url: `http://127.0.0.1:${server.address().port}/v1`, stop: () => server.close() };
}
