//! A client that knows the protocol of 2026-07-28 by heart.

use serde_json::{Value, json};
use stepwright_mcp::McpService;
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
};
use tokio_util::sync::CancellationToken;

/// A client with its server, which ends with it.
pub(crate) struct Client {
    capabilities: Value,
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    write: WriteHalf<DuplexStream>,
    last: u64,
}

pub(crate) fn asks_only() -> Value {
    json!({"elicitation": {"form": {}}})
}

pub(crate) fn takes_tasks() -> Value {
    json!({"extensions": {"io.modelcontextprotocol/tasks": {}}})
}

pub(crate) fn asks_and_takes_tasks() -> Value {
    let (mut all, tasks) = (asks_only(), takes_tasks());
    all["extensions"] = tasks["extensions"].clone();
    all
}

pub(crate) fn accepted(decision: &str) -> Value {
    json!({"action": "accept", "content": {"decision": decision}})
}

impl Client {
    pub(crate) fn start(service: McpService, capabilities: Value) -> Self {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let (read, write) = tokio::io::split(server);
        tokio::spawn(service.serve(read, write, CancellationToken::new()));
        let (read, write) = tokio::io::split(client);
        Self { capabilities, lines: BufReader::new(read).lines(), write, last: 0 }
    }

    /// Returns the error of a server that does not begin.
    pub(crate) async fn refused(service: McpService) -> String {
        let (read, write) = (tokio::io::empty(), tokio::io::sink());
        service.serve(read, write, CancellationToken::new()).await.unwrap_err().to_string()
    }

    /// Sends a request, and returns its result or its error.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        if self.last == 0 {
            self.last = 1;
            let found = Box::pin(self.sent("server/discover", json!({}))).await;
            assert!(found.is_ok(), "{found:?}");
        }
        self.sent(method, params).await
    }

    async fn sent(&mut self, method: &str, mut params: Value) -> Result<Value, Value> {
        let meta = &mut params["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
        meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "it", "version": "1"});
        meta["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        self.last += 1;
        let message =
            json!({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params});
        self.write.write_all(format!("{message}\n").as_bytes()).await.unwrap();
        loop {
            let line = self.lines.next_line().await.unwrap().unwrap();
            let answer: Value = serde_json::from_str(&line).unwrap();
            if answer["id"] == json!(self.last) && answer.get("method").is_none() {
                return match answer.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(answer["result"].clone()),
                };
            }
        }
    }

    pub(crate) async fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let params = json!({"name": tool, "arguments": arguments});
        self.request("tools/call", params).await.unwrap()
    }
}
