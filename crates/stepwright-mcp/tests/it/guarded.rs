//! An MCP server with an authorization server, which checks what the specification asks for: it
//! registers clients, and gives a code for a challenge (PKCE) and a token for the verifier.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The secret of a client that registers, and of the one that is known.
pub(crate) const SECRET: &str = "the-secret-of-the-client";

#[derive(Default)]
struct State {
    log: Vec<String>,
    count: usize,
    /// The challenges of codes that have not been used.
    challenges: BTreeMap<String, String>,
    access: Vec<String>,
    refresh: Vec<String>,
    denies: bool,
}

#[derive(Clone)]
pub(crate) struct Guarded {
    pub(crate) url: String,
    base: String,
    state: Arc<Mutex<State>>,
}

type Pairs = BTreeMap<String, String>;

impl Guarded {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let guarded = Self { url: format!("{base}/mcp"), base, state: Arc::default() };
        let server = guarded.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                std::thread::spawn(move || server.connection(stream));
            }
        });
        guarded
    }

    /// Returns what clients did: `register`, `code`, `refresh`, `credentials`, `call`.
    pub(crate) fn log(&self) -> Vec<String> {
        self.state.lock().unwrap().log.clone()
    }

    /// Lets no access token be good any more.
    pub(crate) fn expire(&self) {
        self.state.lock().unwrap().access.clear();
    }

    /// Ends all logins.
    pub(crate) fn revoke(&self) {
        self.expire();
        self.state.lock().unwrap().refresh.clear();
    }

    /// Lets the person refuse.
    pub(crate) fn deny(&self) {
        self.state.lock().unwrap().denies = true;
    }

    fn connection(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut writer = stream;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let mut words = line.split(' ').map(ToOwned::to_owned);
            let (method, target) = (words.next().unwrap(), words.next().unwrap());
            let mut headers = Pairs::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let Some((name, value)) = line.trim().split_once(':') else { break };
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
            let length = headers.get("content-length").map_or(0, |it| it.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let body = String::from_utf8(body).unwrap();
            let (status, extra, body) = self.answer(&method, &target, &headers, &body);
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
            let kind = "Content-Type: application/json\r\n";
            if write!(writer, "{head}{kind}{extra}\r\n{body}").is_err() {
                return;
            }
        }
    }

    fn answer(
        &self,
        method: &str,
        target: &str,
        headers: &Pairs,
        body: &str,
    ) -> (&'static str, String, String) {
        let base = &self.base;
        let ok = |value: Value| ("200 OK", String::new(), value.to_string());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        match (method, path) {
            ("GET", "/.well-known/oauth-protected-resource/mcp") => {
                ok(json!({"resource": self.url, "authorization_servers": [base]}))
            }
            ("GET", "/.well-known/oauth-authorization-server") => ok(json!({
                "issuer": base,
                "authorization_endpoint": format!("{base}/authorize"),
                "token_endpoint": format!("{base}/token"),
                "registration_endpoint": format!("{base}/register"),
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            })),
            ("POST", "/register") => {
                let asked: Value = serde_json::from_str(body).unwrap();
                self.note("register");
                ok(json!({
                    "client_id": "c-1", "client_secret": SECRET,
                    "redirect_uris": asked["redirect_uris"],
                }))
            }
            ("GET", "/authorize") => {
                ("302 Found", format!("Location: {}\r\n", self.authorize(query)), String::new())
            }
            ("POST", "/token") => {
                if let Some(answer) = self.token(headers, &pairs(body)) {
                    ok(answer)
                } else {
                    let why = json!({"error": "invalid_grant"});
                    ("400 Bad Request", String::new(), why.to_string())
                }
            }
            ("POST", "/mcp") => self.mcp(headers, body),
            _ => ("404 Not Found", String::new(), String::new()),
        }
    }

    fn note(&self, what: &str) {
        self.state.lock().unwrap().log.push(what.to_owned());
    }

    /// Returns the address to which the browser is sent.
    fn authorize(&self, query: &str) -> String {
        let asked = pairs(query);
        let mut state = self.state.lock().unwrap();
        // The state of the client has no character that must be escaped.
        let back = format!("{}?state={}", asked["redirect_uri"], asked["state"]);
        assert_eq!(asked["code_challenge_method"], "S256");
        assert_eq!(asked["resource"], self.url);
        if state.denies {
            return format!("{back}&error=access_denied");
        }
        state.count += 1;
        let code = format!("code-{}", state.count);
        state.challenges.insert(code.clone(), asked["code_challenge"].clone());
        format!("{back}&code={code}")
    }

    fn token(&self, headers: &Pairs, asked: &Pairs) -> Option<Value> {
        let basic = headers.get("authorization").and_then(|it| it.strip_prefix("Basic "));
        let known = basic.and_then(|it| STANDARD.decode(it).ok());
        let known = known.and_then(|it| String::from_utf8(it).ok()).unwrap_or_default();
        if !known.ends_with(SECRET) {
            return None;
        }
        let mut state = self.state.lock().unwrap();
        match asked["grant_type"].as_str() {
            "authorization_code" => {
                let challenge = state.challenges.remove(&asked["code"])?;
                let verifier = Sha256::digest(&asked["code_verifier"]);
                if URL_SAFE_NO_PAD.encode(verifier) != challenge {
                    return None;
                }
                state.log.push("code".into());
            }
            "refresh_token" => {
                // Each is good for one use.
                let at = state.refresh.iter().position(|it| *it == asked["refresh_token"])?;
                state.refresh.remove(at);
                state.log.push("refresh".into());
            }
            "client_credentials" => state.log.push("credentials".into()),
            _ => return None,
        }
        state.count += 1;
        let (access, refresh) =
            (format!("access-{}", state.count), format!("refresh-{}", state.count));
        state.access.push(access.clone());
        state.refresh.push(refresh.clone());
        let mut answer =
            json!({"access_token": access, "token_type": "Bearer", "expires_in": 3600});
        if asked["grant_type"] != "client_credentials" {
            answer["refresh_token"] = json!(refresh);
        }
        Some(answer)
    }

    fn mcp(&self, headers: &Pairs, body: &str) -> (&'static str, String, String) {
        let token = headers.get("authorization").and_then(|it| it.strip_prefix("Bearer "));
        let is_good = token
            .is_some_and(|it| self.state.lock().unwrap().access.iter().any(|known| known == it));
        if !is_good {
            let metadata = format!("{}/.well-known/oauth-protected-resource/mcp", self.base);
            let challenge =
                format!("WWW-Authenticate: Bearer resource_metadata=\"{metadata}\"\r\n");
            return ("401 Unauthorized", challenge, String::new());
        }
        let message: Value = serde_json::from_str(body).unwrap();
        if message.get("id").is_none() {
            return ("202 Accepted", String::new(), String::new());
        }
        let result = match message["method"].as_str().unwrap() {
            "initialize" => json!({
                "protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                "serverInfo": {"name": "guarded", "version": "1"},
            }),
            "tools/list" => json!({"tools": [{
                "name": "read", "inputSchema": {"type": "object"},
                "annotations": {"readOnlyHint": true},
            }]}),
            "tools/call" => {
                self.note("call");
                json!({"content": [{"type": "text", "text": "the secret of the server"}]})
            }
            method => {
                let error = json!({"code": -32601, "message": format!("unknown: {method}")});
                let answer = json!({"jsonrpc": "2.0", "id": message["id"], "error": error});
                return ("200 OK", String::new(), answer.to_string());
            }
        };
        let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
        ("200 OK", String::new(), answer.to_string())
    }
}

fn pairs(text: &str) -> Pairs {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).unwrap()
}
