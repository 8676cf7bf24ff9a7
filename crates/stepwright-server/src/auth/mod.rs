//! The caller of a request, and what the caller may do.

mod jwt;
mod keys;
mod role;
mod scopes;

pub use jwt::{Jwt, JwtAlgorithm};
pub use keys::{ApiKey, ApiKeys, NewKey};
pub(crate) use keys::{Keys, random_token};
pub use role::Role;
pub(crate) use role::{Answer, Drive, HandOut, Manage, Read, Right, Start};

use crate::error::Problem;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use jwt::{Holder, Verifier};
use scopes::Scopes;
use std::marker::PhantomData;
use std::sync::Arc;
use stepwright_core::Error;

/// The rules about what a caller must show: a key, a token, or nothing.
#[derive(Debug, Default)]
pub(crate) struct Auth {
    pub(crate) keys: Option<Keys>,
    jwt: Option<Verifier>,
}

impl Auth {
    /// Uses the keys in a file, and tokens.
    ///
    /// # Errors
    /// If the rules for tokens cannot be.
    pub(crate) fn new(keys: Option<Keys>, jwt: Option<Jwt>) -> Result<Self, Error> {
        Ok(Self { keys, jwt: jwt.map(Jwt::verifier).transpose()? })
    }

    /// Returns `true` if each caller is the owner.
    pub(crate) fn is_open(&self) -> bool {
        self.keys.as_ref().is_none_or(Keys::is_open) && self.jwt.is_none()
    }

    /// Returns the way in which `AgentOS` names what callers show.
    pub(crate) fn mode(&self) -> &'static str {
        match &self.jwt {
            Some(_) => "jwt",
            None if self.is_open() => "none",
            None => "security_key",
        }
    }

    /// Reads the keys that verify tokens, so that a mistake shows at once.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(crate) async fn load(&self) -> Result<(), Error> {
        match &self.jwt {
            Some(jwt) => jwt.load().await,
            None => Ok(()),
        }
    }
}

/// The caller of a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Who {
    access: Access,
    user: Option<Arc<str>>,
    name: Option<Arc<str>>,
}

/// The rights of a caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Access {
    /// Nothing, for this reason.
    None(&'static str),
    /// As the holder of a key.
    Role(Role),
    /// As the holder of a token.
    Scopes(Scopes),
}

impl Who {
    /// The owner of a server without keys.
    pub(crate) fn owner() -> Self {
        Self { access: Access::Role(Role::Admin), user: None, name: None }
    }

    fn refused(refused: &'static str) -> Self {
        Self { access: Access::None(refused), user: None, name: None }
    }

    fn of_key(key: &ApiKey) -> Self {
        let user = key.user.as_deref().map(Arc::from);
        Self { access: Access::Role(key.role), user, name: Some(key.name.as_str().into()) }
    }

    /// The holder of a JSON Web Token is its subject, and sees what belongs to it. An administrator
    /// sees everything.
    fn of_holder(Holder { subject, scopes }: Holder) -> Self {
        let user = (!scopes.is_admin()).then(|| subject.clone());
        Self { access: Access::Scopes(scopes), user, name: Some(subject) }
    }

    /// Returns the holder of a key or a token.
    pub(crate) async fn of_token(auth: &Auth, token: &str) -> Self {
        if auth.is_open() {
            return Self::owner();
        }
        let token = token.trim();
        if let Some(key) = auth.keys.as_ref().and_then(|keys| keys.find(token)) {
            return Self::of_key(&key);
        }
        let holder = match &auth.jwt {
            Some(jwt) => jwt.holder(token).await,
            None => None,
        };
        // One answer for all reasons: the log has them.
        holder.map_or_else(|| Self::refused("Invalid authentication token"), Self::of_holder)
    }

    /// Returns `true` if the caller has shown nothing valid, and needs to.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.access, Access::None(_))
    }

    /// Returns `true` if the caller may do `R` with this workflow, which needs `workflows:run` in
    /// a token.
    pub(crate) fn may<R: Right>(&self, workflow: &str) -> bool {
        match &self.access {
            Access::None(_) => false,
            Access::Role(role) => R::of(*role),
            Access::Scopes(scopes) => scopes.has("workflows", workflow, "run"),
        }
    }

    /// Returns `true` if lists show this workflow, agent or team to the caller. `kinds` is
    /// `workflows`, `agents` or `teams`.
    pub(crate) fn sees(&self, kinds: &str, id: &str) -> bool {
        match &self.access {
            Access::None(_) => false,
            Access::Role(role) => Read::of(*role),
            Access::Scopes(scopes) => scopes.has(kinds, id, "read"),
        }
    }

    /// Checks that the caller may do `R` with this workflow.
    pub(crate) fn check<R: Right>(&self, workflow: &str) -> Result<(), Problem> {
        match &self.access {
            Access::None(refused) => Err(unauthorized(refused)),
            Access::Role(role) => check_role::<R>(*role),
            Access::Scopes(_) if self.may::<R>(workflow) => Ok(()),
            Access::Scopes(_) => {
                let what = "Insufficient permissions. Required scope(s): workflows:run".to_owned();
                Err(Problem::new(StatusCode::FORBIDDEN, what))
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

    /// Returns `true` if the caller may see the counts of all users. A token has a scope for that.
    pub(crate) fn sees_metrics(&self) -> bool {
        matches!(self.access, Access::Scopes(_)) || self.only().is_none()
    }

    /// Returns the name to record for an answer.
    pub(crate) fn signs(&self) -> Option<&str> {
        self.user.as_deref().or(self.name.as_deref())
    }
}

/// A caller who may do `R`. The only way of a handler to its caller.
#[derive(Debug)]
pub(crate) struct Caller<R>(pub(crate) Who, pub(crate) PhantomData<R>);

impl<S: Send + Sync, R: Right> FromRequestParts<S> for Caller<R> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let who = parts.extensions.get::<Who>().cloned();
        let who = who.unwrap_or_else(|| Who::refused("Authorization header required"));
        match &who.access {
            Access::Scopes(scopes) => check_scopes(scopes, parts, state).await?,
            Access::Role(role) => check_role::<R>(*role)?,
            Access::None(refused) => return Err(unauthorized(refused)),
        }
        Ok(Self(who, PhantomData))
    }
}

fn check_role<R: Right>(role: Role) -> Result<(), Problem> {
    if R::of(role) {
        return Ok(());
    }
    let what = format!("a key with the role `{role}` may not {}", R::WORDS);
    Err(Problem::new(StatusCode::FORBIDDEN, what))
}

fn unauthorized(refused: &'static str) -> Problem {
    let help = "send `Authorization: Bearer KEY`; `stepwright keys create` makes one";
    Problem::new(StatusCode::UNAUTHORIZED, refused).with_help(help)
}

/// Checks the scopes of a token against those that the route needs.
async fn check_scopes<S: Send + Sync>(
    scopes: &Scopes,
    parts: &mut Parts,
    state: &S,
) -> Result<(), Problem> {
    // There is nothing at other paths.
    let Some(route) = parts.extensions.get::<MatchedPath>().cloned() else { return Ok(()) };
    let needed = scopes::needed(&parts.method, route.as_str());
    let named = RawPathParams::from_request_parts(parts, state).await.ok();
    let id = named.as_ref().and_then(|named| named.iter().next()).map(|(_, id)| id);
    if scopes.admit(needed.as_ref(), id) {
        return Ok(());
    }
    let needed = needed.map_or_else(|| "agent_os:admin".to_owned(), |needed| needed.to_string());
    let what = format!("Insufficient permissions. Required scope(s): {needed}");
    Err(Problem::new(StatusCode::FORBIDDEN, what))
}

/// Returns the caller of a request.
pub(crate) async fn who(auth: &Auth, headers: &HeaderMap) -> Who {
    if auth.is_open() {
        return Who::owner();
    }
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        return Who::refused("Authorization header required");
    };
    let given = given.to_str().ok().and_then(|given| given.split_once(' '));
    let key = given.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match key {
        Some((_, token)) => Who::of_token(auth, token).await,
        None => Who::refused("Invalid authentication token"),
    }
}
