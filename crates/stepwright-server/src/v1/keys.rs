//! API keys.

use crate::auth::{ApiKey, Caller, HandOut, NewKey as Wanted, Role, Who};
use crate::body::JsonBody;
use crate::error::{Problem, Problems};
use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stepwright_core::UserId;
use stepwright_engine::real_world;
use utoipa::ToSchema;

/// The keys of the server.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyList {
    /// The oldest first.
    keys: Vec<KeyView>,
}

/// A key without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub(super) struct KeyView {
    /// The id, which the key itself begins with.
    id: String,
    /// The name for people.
    name: String,
    /// `viewer`, `operator`, `approver` or `admin`.
    role: &'static str,
    /// The only user whose runs and sessions its holder sees. `null` for those of all.
    #[schema(required)]
    user: Option<String>,
    /// The time at which it was made, in milliseconds since 1970.
    created_at: u64,
    /// The time from which on it is refused, in milliseconds since 1970. `null` for never.
    #[schema(required)]
    expires_at: Option<u64>,
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// The name for people.
    name: String,
    /// `viewer`, `operator`, `approver` or `admin`.
    #[schema(value_type = String)]
    role: Role,
    /// The only user whose runs and sessions its holder sees. By default those of all.
    user: Option<String>,
    /// The seconds for which it works. By default it does not expire.
    expires_in: Option<u64>,
}

/// A new key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MadeKey)]
pub(super) struct MadeView {
    key: KeyView,
    /// The key that a client sends, which is shown only now.
    secret: String,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            role: key.role.as_str(),
            user: key.user,
            created_at: key.created_at.0,
            expires_at: key.expires_at.map(|time| time.0),
        }
    }
}

/// Checks that the caller acts for all users: an administrator of one user makes no keys of others.
fn check(who: &Who) -> Result<(), Problem> {
    if who.only().is_none() {
        return Ok(());
    }
    let what = "a key of one user may not see or change the keys of all";
    Err(Problem::new(StatusCode::FORBIDDEN, what))
}

/// Lists the keys, without their secrets.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys",
    responses(
        (status = 200, description = "The keys.", body = KeyList),
        Problems,
    )
)]
pub(super) async fn list_keys(
    Caller(who, _): Caller<HandOut>,
    State(app): State<App>,
) -> Result<Json<KeyList>, Problem> {
    check(&who)?;
    let keys = match &app.auth.keys {
        Some(keys) => keys.all().list()?,
        None => Vec::new(),
    };
    Ok(Json(KeyList { keys: keys.into_iter().map(KeyView::from).collect() }))
}

/// Makes a key, and shows it once.
///
/// From the first key on, each request to the server needs one.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", request_body = NewKey,
    responses(
        (status = 201, description = "The key.", body = MadeView),
        Problems,
    )
)]
pub(super) async fn create_key(
    Caller(who, _): Caller<HandOut>,
    State(app): State<App>,
    JsonBody(new): JsonBody<NewKey>,
) -> Result<(StatusCode, Json<MadeView>), Problem> {
    check(&who)?;
    let keys = app.auth.keys.as_ref().ok_or_else(|| {
        let problem = Problem::new(StatusCode::CONFLICT, "this server has no file of keys");
        problem.with_help("`stepwright serve` has one if `XDG_STATE_HOME` or `HOME` is set")
    })?;
    let NewKey { name, role, user, expires_in } = new;
    if let Some(user) = &user {
        UserId::new(user).map_err(|error| Problem::bad(error.to_string()))?;
    }
    if expires_in == Some(0) {
        let problem = Problem::bad("`expires_in` is 0 seconds");
        return Err(problem.with_help("use at least 1, or leave it out"));
    }
    let life = expires_in.map(Duration::from_secs);
    let expires_at = life.map(|life| real_world().wall().plus(life));
    let (key, secret) = keys.all().create(Wanted { name, role, user, expires_at })?;
    Ok((StatusCode::CREATED, Json(MadeView { key: key.into(), secret })))
}

/// Revokes a key, which is refused at once.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "keys",
    params(("id" = String, Path, description = "The id of the key.")),
    responses(
        (status = 200, description = "The key that is gone.", body = KeyView),
        Problems,
    )
)]
pub(super) async fn revoke_key(
    Caller(who, _): Caller<HandOut>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<KeyView>, Problem> {
    check(&who)?;
    if let Some(keys) = &app.auth.keys {
        let keys = keys.all();
        let found = keys.list()?.into_iter().find(|key| key.id == id);
        if let Some(key) = found
            && keys.revoke(&id)?
        {
            return Ok(Json(key.into()));
        }
    }
    let problem = Problem::not_found(format!("there is no key `{id}`"));
    Err(problem.with_help("`GET /v1/keys` lists those that are there"))
}
