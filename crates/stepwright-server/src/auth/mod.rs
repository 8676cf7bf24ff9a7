//! The caller of a request, and what the caller may do.

mod keys;
mod role;

pub(crate) use keys::Keys;
pub use keys::{ApiKey, ApiKeys, NewKey};
pub use role::Role;
pub(crate) use role::{Answer, Drive, Manage, Read, Right, Start};

use crate::error::Problem;
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use std::marker::PhantomData;
use std::sync::Arc;

/// The caller of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Who {
    role: Option<Role>,
    user: Option<Arc<str>>,
    name: Option<Arc<str>>,
    /// The reason that there is no role.
    refused: &'static str,
}

impl Who {
    /// The owner of a server without keys.
    pub(crate) fn owner() -> Self {
        Self { role: Some(Role::Admin), user: None, name: None, refused: "" }
    }

    fn refused(refused: &'static str) -> Self {
        Self { role: None, user: None, name: None, refused }
    }

    pub(super) fn of_key(key: &ApiKey) -> Self {
        let user = key.user.as_deref().map(Arc::from);
        Self { role: Some(key.role), user, name: Some(key.name.as_str().into()), refused: "" }
    }

    /// Returns the holder of a key.
    pub(crate) fn of_token(keys: Option<&Keys>, token: &str) -> Self {
        let Some(keys) = keys.filter(|keys| !keys.is_open()) else { return Self::owner() };
        let key = keys.find(token.trim());
        key.map_or_else(|| Self::refused("Invalid authentication token"), |key| Self::of_key(&key))
    }

    /// Returns `true` if the caller has shown no valid key, and needs one.
    pub(crate) fn is_refused(&self) -> bool {
        self.role.is_none()
    }

    /// Returns `true` if the caller may do `R`.
    pub(crate) fn may<R: Right>(&self) -> bool {
        self.role.is_some_and(R::of)
    }

    /// Checks that the caller may do `R`.
    pub(crate) fn check<R: Right>(&self) -> Result<(), Problem> {
        match self.role {
            Some(role) if R::of(role) => Ok(()),
            Some(role) => {
                let what = format!("a key with the role `{role}` may not {}", R::WORDS);
                Err(Problem::new(StatusCode::FORBIDDEN, what))
            }
            None => {
                let help = "send `Authorization: Bearer KEY`; `stepwright keys create` makes one";
                Err(Problem::new(StatusCode::UNAUTHORIZED, self.refused).with_help(help))
            }
        }
    }

    /// Returns an id that a client has chosen as the caller may choose it: a user's is below the
    /// name of the user. For clients of protocols whose ids are random.
    pub(crate) fn below(&self, id: &str) -> String {
        match self.only() {
            Some(user) if !id.starts_with(&format!("{user}:")) => format!("{user}:{id}"),
            _ => id.to_owned(),
        }
    }

    /// Returns the only user whose runs and sessions the caller may see, or `None` if the caller
    /// may see those of all users.
    pub(crate) fn only(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Returns `true` for a user whose runs and sessions the caller may not see. A filter without a
    /// user is none.
    pub(crate) fn is_other_user(&self, user: Option<&str>) -> bool {
        let user = user.filter(|user| !user.is_empty());
        self.only().is_some_and(|only| user.is_some_and(|user| user != only))
    }

    /// Returns the name to record for an answer.
    pub(crate) fn signs(&self) -> Option<&str> {
        self.user.as_deref().or(self.name.as_deref())
    }
}

/// A caller who may do `R`. The only way of a handler to its caller.
#[derive(Debug)]
pub(crate) struct Caller<R>(pub(crate) Who, pub(crate) PhantomData<R>);

impl<S: Sync, R: Right> FromRequestParts<S> for Caller<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let who = parts.extensions.get::<Who>().cloned();
        let who = who.unwrap_or_else(|| Who::refused("Authorization header required"));
        who.check::<R>()?;
        Ok(Self(who, PhantomData))
    }
}

/// Returns the caller of a request.
pub(crate) fn who(keys: Option<&Keys>, headers: &HeaderMap) -> Who {
    let Some(keys) = keys.filter(|keys| !keys.is_open()) else { return Who::owner() };
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        return Who::refused("Authorization header required");
    };
    let given = given.to_str().ok().and_then(|given| given.split_once(' '));
    let key = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match key {
        Some((_, token)) => Who::of_token(Some(keys), token),
        None => Who::refused("Invalid authentication token"),
    }
}
