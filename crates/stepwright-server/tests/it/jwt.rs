//! JSON Web Tokens: forgeries, times, scopes and users.

use crate::issuer::{
    AUDIENCE, Hand, NOW, RSA_PEM, Signer, claims, publish, rules, signed_by_rsa, signed_by_secret,
};
use crate::keys::{every_operation, probe};
use crate::world::World;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;
use stepwright_core::Memory;
use stepwright_engine::Workflow;
use stepwright_server::{Jwt, JwtAlgorithm, Server};

/// A server that accepts the tokens of one key.
struct Guarded {
    world: World,
    signer: Signer,
    hand: Hand,
    folder: tempfile::TempDir,
}

impl Guarded {
    fn start() -> Self {
        Self::with(|rules| rules)
    }

    fn with(set: impl FnOnce(Jwt) -> Jwt) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (signer, hand) = (Signer::new("k1", 1), Hand::new());
        let rules = set(rules(folder.path(), &signer, &hand));
        let world = World::with(Memory::default(), |server| server.jwt(rules));
        Self { world, signer, hand, folder }
    }

    async fn status(&self, token: &str) -> u16 {
        self.world.client.with_key(token).get("/v1/runs").await.status.as_u16()
    }

    /// Returns the status for claims that are these changed.
    async fn status_of(&self, change: impl FnOnce(&mut Value)) -> u16 {
        let mut claims = claims("anna", &["workflows:read"]);
        change(&mut claims);
        self.status(&self.signer.sign(&claims)).await
    }

    fn client(&self, user: &str, scopes: &[&str]) -> crate::client::Client {
        self.world.client.with_key(&self.signer.sign(&claims(user, scopes)))
    }
}

#[tokio::test]
async fn a_forged_token_is_refused_without_a_reason() {
    let guarded = Guarded::start();
    let signer = &guarded.signer;
    let good = claims("anna", &["agent_os:admin"]);
    let header = json!({"alg": "EdDSA", "kid": "k1"});
    let with = |name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        signer.sign_text(&header.to_string(), &good.to_string())
    };
    let unsigned = |alg: &str| {
        let header = json!({"alg": alg, "kid": "k1"}).to_string();
        format!("{}.{}.", BASE64.encode(header), BASE64.encode(good.to_string()))
    };
    let valid = signer.sign(&good);
    let (message, signature) = valid.rsplit_once('.').unwrap();
    let (head, _) = message.split_once('.').unwrap();
    let other = BASE64.encode(claims("eve", &["agent_os:admin"]).to_string());
    let hmac = json!({"alg": "HS256", "kid": "k1"});
    let foreign = Signer::new("k1", 2);
    let mut own = header.clone();
    own["jwk"] = foreign.jwk();
    let twice = r#"{"sub":"eve","sub":"anna","aud":"flows","exp":4000000000}"#;
    let forged = [
        ("no token", "x".to_owned()),
        ("no signature", message.to_owned()),
        ("no algorithm", signer.sign_text(r#"{"kid":"k1"}"#, &good.to_string())),
        ("`none`", unsigned("none")),
        ("`nOnE`", unsigned("nOnE")),
        ("`none` with a signature", with("alg", json!("none"))),
        ("another algorithm", with("alg", json!("RS256"))),
        ("HMAC with the public key", signed_by_secret(signer.public(), &hmac, &good)),
        ("claims of another token", format!("{head}.{other}.{signature}")),
        ("a signature with more", format!("{valid}AA")),
        ("a padded signature", format!("{valid}==")),
        ("a fourth part", format!("{valid}.x")),
        ("a foreign key", foreign.sign(&good)),
        ("a key in its header", foreign.sign_text(&own.to_string(), &good.to_string())),
        ("an unknown key", with("kid", json!("k9"))),
        ("a key that is no text", with("kid", json!(["k1"]))),
        ("an extension", with("crit", json!(["exp"]))),
        ("a claim twice", signer.sign_text(&header.to_string(), twice)),
        ("claims that are no object", signer.sign_text(&header.to_string(), "[]")),
        ("a long one", with("x", json!("x".repeat(20_000)))),
    ];
    for (name, token) in &forged {
        let answer = guarded.world.client.with_key(token).get("/v1/runs").await;
        assert_eq!(answer.status, 401, "{name}: {answer:?}");
        assert_eq!(answer.json()["detail"], "Invalid authentication token", "{name}");
    }
    assert_eq!(guarded.status(&valid).await, 200);
    guarded.world.end().await;
}

#[tokio::test]
async fn claims_say_for_whom_and_when() {
    let guarded = Guarded::with(|rules| rules.issuer("https://login.example"));
    let issued = |claims: &mut Value| claims["iss"] = json!("https://login.example");
    assert_eq!(guarded.status_of(issued).await, 200);
    let cases: [(&str, Value, u16); 16] = [
        ("aud", json!("other"), 401),
        ("aud", Value::Null, 401),
        ("aud", json!(["other", AUDIENCE]), 200),
        ("iss", json!("https://evil.example"), 401),
        ("iss", Value::Null, 401),
        ("exp", Value::Null, 401),
        ("exp", json!("4000000000"), 401),
        ("exp", json!(NOW - 30), 401),
        ("exp", json!(NOW - 29), 200),
        ("nbf", json!(NOW + 31), 401),
        ("nbf", json!(NOW + 30), 200),
        ("nbf", json!("0"), 401),
        ("iat", json!(NOW + 31), 401),
        ("sub", json!(""), 401),
        ("sub", json!("sa:robot"), 401),
        ("sub", Value::Null, 401),
    ];
    for (name, value, status) in cases {
        let shown = format!("{name}: {value}");
        let of = |claims: &mut Value| {
            issued(claims);
            claims[name] = value;
        };
        assert_eq!(guarded.status_of(of).await, status, "{shown}");
    }
    for absent in ["aud", "iss", "exp", "sub"] {
        let of = |claims: &mut Value| {
            issued(claims);
            claims.as_object_mut().unwrap().remove(absent);
        };
        assert_eq!(guarded.status_of(of).await, 401, "without {absent}");
    }
    // The token that was good has expired meanwhile.
    guarded.hand.advance(Duration::from_secs(3600 + 30));
    assert_eq!(guarded.status_of(issued).await, 401);
    guarded.world.end().await;
}

#[tokio::test]
async fn a_public_key_or_a_secret_verifies_its_own_algorithms_only() {
    let good = claims("anna", &["workflows:read"]);
    let start = |rules: Jwt| {
        let rules = rules.audience(AUDIENCE).world(Hand::new().world());
        World::with(Memory::default(), |server| server.jwt(rules))
    };
    let status = async |world: &World, token: &str| {
        world.client.with_key(token).get("/v1/runs").await.status.as_u16()
    };
    let hs256 = json!({"alg": "HS256"});
    let world = start(Jwt::public_key(RSA_PEM).unwrap());
    assert_eq!(status(&world, &signed_by_rsa(&good)).await, 200);
    let confused = signed_by_secret(RSA_PEM.as_bytes(), &hs256, &good);
    assert_eq!(status(&world, &confused).await, 401, "the public key is no secret");
    world.end().await;
    let world = start(Jwt::public_key(RSA_PEM).unwrap().algorithms([JwtAlgorithm::Ps256]));
    assert_eq!(status(&world, &signed_by_rsa(&good)).await, 401, "RS256 is not allowed");
    world.end().await;
    let secret = [7; 32];
    let world = start(Jwt::secret(&secret).unwrap());
    assert_eq!(status(&world, &signed_by_secret(&secret, &hs256, &good)).await, 200);
    assert_eq!(status(&world, &signed_by_secret(&[8; 32], &hs256, &good)).await, 401);
    let renamed = json!({"alg": "HS512"});
    assert_eq!(status(&world, &signed_by_secret(&secret, &renamed, &good)).await, 401);
    world.end().await;
}

#[tokio::test]
async fn every_operation_admits_exactly_its_scopes() {
    let guarded = Guarded::start();
    let operations = every_operation();
    let all = operations.iter().flat_map(|(.., it)| it.split('|'));
    let all: BTreeSet<&str> = all.filter(|scope| *scope != "agent_os:admin").collect();
    for (operation, _, scopes) in &operations {
        assert_eq!(probe(&guarded.client("anna", &[]), operation).await, 403, "{operation}");
        let others: Vec<&str> =
            all.iter().copied().filter(|one| !scopes.split('|').any(|it| it == *one)).collect();
        let status = probe(&guarded.client("anna", &others), operation).await;
        assert_eq!(status, 403, "{operation} with every scope but its own");
        for scope in scopes.split('|').chain(["agent_os:admin"]) {
            let status = probe(&guarded.client("anna", &[scope]), operation).await;
            assert!(![401, 403].contains(&status), "{operation} with {scope}: {status}");
        }
    }
    let refused = guarded.client("anna", &[]).get("/workflows").await;
    let detail = "Insufficient permissions. Required scope(s): workflows:read";
    assert_eq!(refused.json()["detail"], detail);
    guarded.world.end().await;
}

#[tokio::test]
async fn a_scope_of_one_workflow_holds_for_it_only() {
    let guarded = Guarded::start();
    let client = guarded.client("anna", &["workflows:plain:read", "workflows:plain:run"]);
    let body = || json!({"input": "x"});
    assert_eq!(client.post("/v1/workflows/plain/runs", body()).await.status, 202);
    for path in ["/v1/workflows/slow/runs", "/v1/workflows/%73low/runs"] {
        assert_eq!(client.post(path, body()).await.status, 403, "{path}");
    }
    for path in ["/workflows", "/v1/workflows"] {
        let listed = client.get(path).await.json();
        let listed = listed.get("workflows").cloned().unwrap_or(listed);
        let ids: Vec<_> = listed.as_array().unwrap().iter().map(|it| it["id"].clone()).collect();
        assert_eq!(ids, ["plain"], "{path}");
    }
    // A list of all runs is more than one workflow.
    assert_eq!(client.get("/v1/runs").await.status, 403);
    let every = guarded.client("anna", &["workflows:*:read"]);
    assert_eq!(every.get("/v1/runs").await.status, 200);
    let mut spaced = claims("anna", &[]);
    spaced["scope"] = json!("openid workflows:read");
    assert_eq!(guarded.status(&guarded.signer.sign(&spaced)).await, 200);
    guarded.world.end().await;
}

#[tokio::test]
async fn the_subject_is_the_user() {
    let guarded = Guarded::start();
    let scopes = ["workflows:read", "workflows:run", "sessions:read", "sessions:delete"];
    let (anna, ben) = (guarded.client("anna", &scopes), guarded.client("ben", &scopes));
    let new = json!({"input": "x", "run_id": "anna:1", "session_id": "anna:s", "user_id": "ben"});
    assert_eq!(anna.post("/v1/workflows/plain/runs", new).await.status, 202);
    anna.stream("/v1/runs/anna:1/events").await.rest().await;
    assert_eq!(anna.get("/v1/runs/anna:1").await.json()["run"]["user_id"], "anna");
    for path in ["/v1/runs/anna:1", "/v1/runs/anna:1/events", "/v1/sessions/anna:s"] {
        assert_eq!(ben.get(path).await.status, 404, "{path}");
    }
    assert_eq!(ben.get("/v1/runs").await.json()["runs"], json!([]));
    let stolen = json!({"input": "x", "session_id": "anna:s"});
    assert_eq!(ben.post("/v1/workflows/plain/runs", stolen).await.status, 404);
    let admin = guarded.client("root", &["agent_os:admin"]);
    assert_eq!(admin.get("/v1/runs/anna:1").await.status, 200);
    guarded.world.end().await;
}

#[tokio::test]
async fn keys_come_and_go() {
    let guarded = Guarded::start();
    let second = Signer::new("k2", 2);
    let new = second.sign(&claims("anna", &["workflows:read"]));
    assert_eq!(guarded.status_of(|_| ()).await, 200);
    assert_eq!(guarded.status(&new).await, 401);
    publish(guarded.folder.path(), &[second.jwk()]);
    // Unknown keys do not read the place again and again.
    assert_eq!(guarded.status(&new).await, 401);
    guarded.hand.advance(Duration::from_secs(10));
    assert_eq!(guarded.status(&new).await, 200);
    assert_eq!(guarded.status_of(|_| ()).await, 401, "the first key was withdrawn");
    std::fs::remove_file(guarded.folder.path().join("jwks.json")).unwrap();
    guarded.hand.advance(Duration::from_mins(10));
    assert_eq!(guarded.status(&new).await, 200, "its place cannot be read for a while");
    guarded.world.end().await;
}

#[tokio::test]
async fn keys_that_cannot_be_read_for_a_day_count_no_more() {
    let guarded = Guarded::with(|rules| rules);
    let lasting = |claims: &mut Value| claims["exp"] = json!(NOW + 1_000_000);
    assert_eq!(guarded.status_of(lasting).await, 200);
    std::fs::remove_file(guarded.folder.path().join("jwks.json")).unwrap();
    guarded.hand.advance(Duration::from_hours(25));
    assert_eq!(guarded.status_of(lasting).await, 401);
    guarded.world.end().await;
}

/// Answers one request with this text.
fn answering(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
    });
    format!("http://{address}/jwks.json")
}

fn with_rules(rules: Jwt) -> Result<Server, stepwright_core::Error> {
    async fn greet(name: String) -> String {
        name
    }
    let memory = Memory::default();
    let flow = Workflow::builder("flow").store(memory.clone()).step(greet).build()?;
    Server::builder().store(memory).workflow(&flow).jwt(rules).build()
}

#[tokio::test]
async fn a_jwks_comes_from_an_address() {
    let body = json!({"keys": [Signer::new("k1", 1).jwk()]}).to_string();
    let answer = |status: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
    };
    let load = async |answer: String| {
        let rules = Jwt::jwks_url(answering(answer)).unwrap().audience(AUDIENCE);
        with_rules(rules).unwrap().load_keys().await
    };
    load(answer("200 OK", &body)).await.unwrap();
    for (status, body, why) in [
        ("404 Not Found", &*body, "the answer is 404"),
        ("302 Found", &body, "the answer is 302"),
        ("200 OK", "{}", "it is not a list of keys"),
        ("200 OK", r#"{"keys": [{"kty": "oct", "k": "AAAA"}]}"#, "no key in it"),
        ("200 OK", &"x".repeat(300_000), "it has more than"),
    ] {
        let error = load(answer(status, body)).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn rules_that_cannot_be_are_refused_at_the_start() {
    let secret = || Jwt::secret(&[7; 32]).unwrap();
    let none = with_rules(secret()).unwrap_err();
    assert_eq!(none.to_string(), "tokens need an audience");
    let mixed = secret().audience("a").algorithms([JwtAlgorithm::Rs256]);
    let mixed = with_rules(mixed).unwrap_err();
    assert_eq!(mixed.to_string(), "`RS256` cannot be used with this key");
    let skewed = secret().audience("a").clock_skew(Duration::from_hours(1));
    assert!(with_rules(skewed).is_err());
    assert!(Jwt::secret(b"short").is_err());
    let certificate = RSA_PEM.replace("PUBLIC KEY", "CERTIFICATE");
    assert!(Jwt::public_key(&certificate).is_err());
    for url in ["http://login.example/jwks", "file:///etc/jwks", "jwks.json"] {
        assert!(Jwt::jwks_url(url).is_err(), "{url}");
    }
}
