//! Calls of a Restate server: its ingress takes wakes, its admin API takes registrations.

use crate::address::Address;
use crate::names;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::error::Error as StdError;
use std::time::Duration;
use stepwright_core::dispatch::{DispatchError, Wake};
use stepwright_http::reqwest::{Client, Response, Url};

/// The longest time that one call may take. Registering asks the workers, too.
const PATIENCE: Duration = Duration::from_secs(15);

/// The most text of an answer that an error shows.
const SHOWN_CHARS: usize = 300;

/// The handler of the objects.
pub(crate) const DRIVE: &str = "drive";

/// The input of an invocation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) wake: Wake,
}

/// The workers at a URL, as the server knows them.
pub(crate) struct Known {
    deployment: String,
    pub(crate) objects: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Restate {
    client: Client,
    address: Address,
}

impl Restate {
    pub(crate) fn new(address: Address) -> Result<Self, DispatchError> {
        let failed = |source: Box<dyn StdError + Send + Sync>| DispatchError {
            what: "no HTTP client can be made".into(),
            source: Some(source),
        };
        let builder = stepwright_http::builder().map_err(|error| failed(error.into()))?;
        // The server is in the network of the workers, as the database is.
        let builder = builder.no_proxy().timeout(PATIENCE);
        let client = builder.build().map_err(|error| failed(error.into()))?;
        Ok(Self { client, address })
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a task to the object of its run. The server drops it if it has one of this `key` for
    /// the run that has not ended. Returns `false` if no worker has the workflow.
    pub(crate) async fn send(
        &self,
        task: &Task,
        after: Duration,
        key: Option<&str>,
    ) -> Result<bool, DispatchError> {
        let Wake { workflow, digest, run, .. } = &task.wake;
        let objects = [names::of_version(workflow, digest), names::of_workflow(workflow)];
        for object in objects {
            let mut url = self.address.ingress.clone();
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop_if_empty().extend([&object, run.as_str(), DRIVE, "send"]);
            }
            if !after.is_zero() {
                let delay = format!("{}ms", after.as_millis());
                url.query_pairs_mut().append_pair("delay", &delay);
            }
            let what = || format!("run `{run}` could not be handed to Restate");
            let headers = key.map(|key| ("idempotency-key", key));
            let body = serde_json::to_vec(task).unwrap_or_default();
            let answer = self.call(Method::POST, url, headers, Some(body), what).await?;
            match answer.status() {
                status if status.is_success() => return Ok(true),
                StatusCode::NOT_FOUND => {}
                _ => return Err(refused(what(), answer).await),
            }
        }
        Ok(false)
    }

    /// Tells the server that workers are at this URL. It asks them for their workflows, and with
    /// `force` also if it knows workers at the URL already.
    pub(crate) async fn register(&self, uri: &str, force: bool) -> Result<(), DispatchError> {
        let what = || format!("the workers at `{uri}` could not be registered");
        let body = json!({ "uri": uri, "force": force }).to_string().into_bytes();
        let url = self.admin(&["deployments"]);
        let answer = self.call(Method::POST, url, None, Some(body), what).await?;
        accepted(answer, what).await
    }

    /// Returns `true` if the server has this object.
    pub(crate) async fn has(&self, object: &str) -> Result<bool, DispatchError> {
        let what = || format!("Restate could not be asked for `{object}`");
        let url = self.admin(&["services", object]);
        let answer = self.call(Method::GET, url, None, None, what).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(false),
            status if status.is_success() => Ok(true),
            _ => Err(refused(what(), answer).await),
        }
    }

    /// Returns what the server knows of the workers at this URL.
    pub(crate) async fn known(&self, uri: &str) -> Result<Option<Known>, DispatchError> {
        let what = || format!("Restate could not be asked for `{uri}`");
        let answer = self.call(Method::GET, self.admin(&["deployments"]), None, None, what).await?;
        let answer = read(answer, what).await?;
        let all = answer["deployments"].as_array().ok_or_else(|| unexpected(&what(), &answer))?;
        let is_it = |one: &&Value| {
            let known = one["uri"].as_str().unwrap_or_default();
            known.trim_end_matches('/') == uri.trim_end_matches('/')
        };
        let Some(one) = all.iter().find(is_it) else { return Ok(None) };
        let deployment = one["id"].as_str().ok_or_else(|| unexpected(&what(), one))?.to_owned();
        let objects = one["services"].as_array().into_iter().flatten();
        let objects = objects.filter_map(|object| object["name"].as_str()).map(ToOwned::to_owned);
        Ok(Some(Known { deployment, objects: objects.collect() }))
    }

    /// Removes workers.
    pub(crate) async fn deregister(&self, known: &Known) -> Result<(), DispatchError> {
        let deployment = &known.deployment;
        let what = || format!("the workers `{deployment}` could not be removed from Restate");
        let mut url = self.admin(&["deployments", deployment]);
        url.query_pairs_mut().append_pair("force", "true");
        let answer = self.call(Method::DELETE, url, None, None, what).await?;
        accepted(answer, what).await
    }

    /// Removes the invocations of an object that no worker has. Returns their number.
    pub(crate) async fn forget(&self, object: &str) -> Result<usize, DispatchError> {
        let what = || format!("the invocations of `{object}` could not be removed from Restate");
        // Names of objects have no quotes.
        let query = format!(
            "SELECT id FROM sys_invocation_status \
             WHERE target_service_name = '{object}' AND status <> 'completed'"
        );
        let body = json!({ "query": query }).to_string().into_bytes();
        let (url, headers) = (self.admin(&["query"]), Some(("accept", "application/json")));
        let answer = self.call(Method::POST, url, headers, Some(body), what).await?;
        let answer = read(answer, what).await?;
        let rows = answer["rows"].as_array().ok_or_else(|| unexpected(&what(), &answer))?;
        for row in rows {
            let id = row["id"].as_str().ok_or_else(|| unexpected(&what(), row))?;
            let url = self.admin(&["invocations", id, "kill"]);
            accepted(self.call(Method::PATCH, url, None, None, what).await?, what).await?;
        }
        Ok(rows.len())
    }

    /// Returns `true` if a worker answers at this URL.
    pub(crate) async fn answers(&self, uri: &str) -> bool {
        let Ok(mut url) = Url::parse(uri) else { return false };
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("health");
        }
        // On a connection of its own: those of earlier calls may end at a worker that has left.
        let answer = self.call(Method::GET, url, Some(("connection", "close")), None, String::new);
        answer.await.is_ok_and(|answer| answer.status().is_success())
    }

    fn admin(&self, path: &[&str]) -> Url {
        let mut url = self.address.admin.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn call(
        &self,
        method: Method,
        url: Url,
        header: Option<(&str, &str)>,
        body: Option<Vec<u8>>,
        what: impl Fn() -> String,
    ) -> Result<Response, DispatchError> {
        let mut request = self.client.request(method, url);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        request.send().await.map_err(|error| DispatchError {
            what: format!("{}: {}", what(), stepwright_http::causes(&error)),
            source: Some(error.without_url().into()),
        })
    }
}

/// Checks an answer without a content. What is not there any more needs no removal.
async fn accepted(answer: Response, what: impl Fn() -> String) -> Result<(), DispatchError> {
    if answer.status().is_success() || answer.status() == StatusCode::NOT_FOUND {
        return Ok(());
    }
    Err(refused(what(), answer).await)
}

/// Reads an answer that must be JSON.
async fn read(answer: Response, what: impl Fn() -> String) -> Result<Value, DispatchError> {
    if !answer.status().is_success() {
        return Err(refused(what(), answer).await);
    }
    let failed = |source: Box<dyn StdError + Send + Sync>| DispatchError {
        what: what(),
        source: Some(source),
    };
    let bytes = answer.bytes().await.map_err(|error| failed(error.into()))?;
    serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))
}

async fn refused(what: String, answer: Response) -> DispatchError {
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    let text = match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(fields)) => {
            fields.get("message").and_then(Value::as_str).map_or(text.clone(), ToOwned::to_owned)
        }
        _ => text,
    };
    let text: String = text.chars().take(SHOWN_CHARS).collect();
    DispatchError { what: format!("{what}: Restate answers {status}: {text}"), source: None }
}

fn unexpected(what: &str, answer: &Value) -> DispatchError {
    let answer: String = answer.to_string().chars().take(SHOWN_CHARS).collect();
    DispatchError { what: format!("{what}: Restate answers `{answer}`"), source: None }
}
