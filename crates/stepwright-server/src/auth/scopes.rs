//! The scopes of tokens, as `AgentOS` has them, and the scopes that each route needs.

use http::Method;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// The scope that grants everything.
const ADMIN: &str = "agent_os:admin";

/// The scopes of a token: `resource:action`, `resource:ID:action` or `resource:*:action`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Scopes {
    is_admin: bool,
    granted: Arc<[Granted]>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Granted {
    resource: String,
    /// The only workflow or agent. `None` for all.
    id: Option<String>,
    action: String,
}

/// The scopes that a route needs: one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Needed {
    any: Vec<(String, &'static str)>,
    /// The workflow or agent that the path names.
    by: By,
}

/// The part that a scope of one workflow or agent plays for a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// None.
    All,
    /// The path names the workflow.
    Id,
    /// The answer is a list, which has those that the caller may see.
    List,
}

impl Scopes {
    /// Reads the claim `scopes`, a list, or `scope`, a text with spaces. Without them there are no
    /// scopes.
    pub(super) fn of_claims(claims: &Map<String, Value>) -> Self {
        let listed = claims.get("scopes").and_then(Value::as_array).into_iter().flatten();
        let spaced = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
        let all: Vec<&str> =
            listed.filter_map(Value::as_str).chain(spaced.split_ascii_whitespace()).collect();
        Self {
            is_admin: all.contains(&ADMIN),
            granted: all.iter().filter_map(|scope| Granted::parse(scope)).collect(),
        }
    }

    pub(crate) fn is_admin(&self) -> bool {
        self.is_admin
    }

    /// Returns `true` if a route may be used. `None` is a route without scopes of its own.
    pub(super) fn admit(&self, needed: Option<&Needed>, id: Option<&str>) -> bool {
        let Some(needed) = needed else { return self.is_admin };
        let has = |granted: &Granted| {
            let is_of = match (needed.by, &granted.id) {
                (_, None) | (By::List, Some(_)) => true,
                (By::Id, Some(granted)) => id == Some(granted),
                (By::All, Some(_)) => false,
            };
            let fits = |(resource, action): &(String, &'static str)| {
                granted.resource == *resource && granted.action == *action
            };
            is_of && needed.any.iter().any(fits)
        };
        self.is_admin || self.granted.iter().any(has)
    }

    /// Returns `true` if the action is granted for this workflow or agent.
    pub(crate) fn has(&self, resource: &str, id: &str, action: &str) -> bool {
        let has = |granted: &Granted| {
            granted.resource == resource
                && granted.action == action
                && granted.id.as_deref().is_none_or(|one| one == id)
        };
        self.is_admin || self.granted.iter().any(has)
    }
}

impl Granted {
    fn parse(scope: &str) -> Option<Self> {
        let (resource, rest) = scope.split_once(':')?;
        // An earlier name.
        let resource = if resource == "system" { "config" } else { resource };
        // An id may have colons.
        let (id, action) = match rest.rsplit_once(':') {
            None => (None, rest),
            Some(("*", action)) => (None, action),
            Some((id, action)) => (Some(id.to_owned()), action),
        };
        Some(Self { resource: resource.to_owned(), id, action: action.to_owned() })
    }
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (resource, action)) in self.any.iter().enumerate() {
            let or = if nth == 0 { "" } else { " or " };
            write!(f, "{or}{resource}:{action}")?;
        }
        Ok(())
    }
}

/// Returns the scopes that a route needs. At `/v1`, `workflows` stands for agents and teams too.
pub(crate) fn needed(method: &Method, route: &str) -> Option<Needed> {
    let parts: Vec<&str> = route.trim_matches('/').split('/').collect();
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match parts.as_slice() {
        ["v1", rest @ ..] => needed_of_v1(reads, rest),
        // What each method of these protocols needs is checked when its message is read.
        ["mcp"] | [".well-known", _] => Some(one(By::All, "workflows", "read")),
        ["a2a", _, ..] => Some(one(By::Id, "workflows", "read")),
        ["agui"] => Some(one(By::All, "workflows", "run")),
        ["agui", _] => Some(one(By::Id, "workflows", "run")),
        all => needed_of_agentos(method, reads, all),
    }
}

fn one(by: By, resource: &str, action: &'static str) -> Needed {
    Needed { any: vec![(resource.to_owned(), action)], by }
}

fn answering(by: By, resource: &str) -> Needed {
    let any = vec![(resource.to_owned(), "run"), ("approvals".to_owned(), "write")];
    Needed { any, by }
}

fn needed_of_v1(reads: bool, parts: &[&str]) -> Option<Needed> {
    Some(match (parts, reads) {
        (["workflows"], true) => one(By::List, "workflows", "read"),
        (["workflows", _], true) => one(By::Id, "workflows", "read"),
        (["workflows", _, "runs"], false) => one(By::Id, "workflows", "run"),
        (["models" | "runs", ..], true) => one(By::All, "workflows", "read"),
        (["chat", "completions"] | ["events"], false) => one(By::All, "workflows", "run"),
        (["runs", _, "answers" | "links"], false) => answering(By::All, "workflows"),
        (["runs", _, _], false) => one(By::All, "workflows", "run"),
        (["inbox"], true) => {
            let any = vec![("workflows".to_owned(), "read"), ("approvals".to_owned(), "read")];
            Needed { any, by: By::All }
        }
        (["deliveries"], true) => one(By::All, "webhooks", "read"),
        (["deliveries", _, "redeliver"], false) => one(By::All, "webhooks", "write"),
        ([kind @ ("sessions" | "metrics" | "schedules" | "webhooks"), ..], true) => {
            one(By::All, kind, "read")
        }
        ([kind @ ("schedules" | "webhooks"), ..], false) => one(By::All, kind, "write"),
        _ => return None,
    })
}

fn needed_of_agentos(method: &Method, reads: bool, parts: &[&str]) -> Option<Needed> {
    let writes = if *method == Method::DELETE { "delete" } else { "write" };
    Some(match (parts, reads) {
        (["config"], true) => one(By::All, "config", "read"),
        (["databases", _, "migrate"], false) => one(By::All, "config", "write"),
        ([kind @ ("workflows" | "agents" | "teams")], true) => one(By::List, kind, "read"),
        ([kind @ ("workflows" | "agents" | "teams"), _, rest @ ..], _) => match (rest, reads) {
            ([] | ["runs", ..], true) => one(By::Id, kind, "read"),
            (["runs", _, "continue"], false) => answering(By::Id, kind),
            (["runs", ..], false) => one(By::Id, kind, "run"),
            _ => return None,
        },
        (["memory_topics" | "user_memory_stats"], true) => one(By::All, "memories", "read"),
        ([kind @ ("sessions" | "memories" | "metrics"), ..], true) => one(By::All, kind, "read"),
        ([kind @ ("sessions" | "memories" | "metrics"), ..], false) => one(By::All, kind, writes),
        _ => return None,
    })
}
