//! Errors of PostgreSQL, with advice, and the decision to retry.

use super::target::{Target, quoted};
use crate::errors::{Said, unusable};
use sqlx::Error as SqlError;
use std::io::ErrorKind;
use stepwright_core::{ErrorId, StoreError};

/// The failure of some work on a connection.
pub(super) type Failure = crate::errors::Failure<SqlError>;

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

/// The kind of trouble, which decides about a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// A retry would fail again.
    Lasting,
    /// Another transaction was in the way, or the server is not ready. Nothing was done.
    Passing,
    /// The connection is gone. The work may have been done, or not.
    Lost,
}

/// Returns the advice for a missing privilege: what the owner or an administrator runs.
///
/// The server names the object and not the privilege.
fn privilege(target: &Target, said: &str) -> String {
    let user = quoted(target.address.user());
    let (schema, database) = (quoted(&target.schema), quoted(target.address.database()));
    let object = said.strip_prefix("permission denied for ").unwrap_or(said);
    if said.starts_with("must be owner") {
        return format!(
            "connect once as the owner of the tables in schema {schema}, which updates them; \
             {user} can use them afterwards"
        );
    }
    match object.split(' ').next() {
        Some("table" | "sequence" | "relation" | "view") => format!(
            "let the owner of the tables run `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN \
             SCHEMA {schema} TO {user}`, or `GRANT SELECT …` if this program only reads"
        ),
        Some("schema") => format!(
            "let the owner of the schema run `GRANT USAGE, CREATE ON SCHEMA {schema} TO {user}`, \
             or `GRANT USAGE …` if the tables are there already"
        ),
        Some("database") => format!(
            "let an administrator run `CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {user}` \
             in {database}, or `GRANT CREATE ON DATABASE {database} TO {user}`"
        ),
        _ => format!("let an administrator grant {user} what the server names"),
    }
}

/// The tables are there, and this user may not look at them. The server itself would say that they
/// do not exist.
pub(super) fn unprivileged(target: &Target, privilege: &str, object: &str, to: &str) -> StoreError {
    let user = quoted(target.address.user());
    let source = format!("user {user} lacks the privilege {privilege} on {object}");
    let hint = format!("let the owner of the tables run `GRANT {privilege} ON {to} TO {user}`");
    unusable(ErrorId::DATABASE_FORBIDDEN, &target.shown, source, &hint)
}

/// Returns the kind of trouble of an error on an open connection.
pub(super) fn trouble(error: &SqlError) -> Trouble {
    match error {
        SqlError::Io(_) | SqlError::Protocol(_) => Trouble::Lost,
        SqlError::Database(said) => match said.code().as_deref().unwrap_or_default() {
            // Another transaction was in the way: serialization, a deadlock, a lock.
            "40001" | "40P01" | "55P03" => Trouble::Passing,
            // A plan that is out of date; a new connection makes a new one.
            "0A000" if said.message().contains("cached plan") => Trouble::Passing,
            // The server only reads: it gives its place to another, or is about to become that.
            "25006" => Trouble::Passing,
            // The server stops or stopped, the transaction or the session took too long, or it does
            // not know itself whether it committed.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "40003" => Trouble::Lost,
            code if code.starts_with("08") => Trouble::Lost,
            _ => Trouble::Lasting,
        },
        _ => Trouble::Lasting,
    }
}

/// Returns the kind of trouble of an error while connecting. Nothing was done in any case.
pub(super) fn trouble_connecting(error: &SqlError) -> Trouble {
    match error {
        SqlError::Io(_) => Trouble::Passing,
        _ if is_starting(error) || trouble(error) != Trouble::Lasting => Trouble::Passing,
        _ => Trouble::Lasting,
    }
}

/// Returns `true` if the server is there, and not ready yet or too busy.
pub(super) fn is_starting(error: &SqlError) -> bool {
    matches!(code(error).as_deref(), Some("57P03" | "53300"))
}

pub(super) fn is_taken(error: &SqlError) -> bool {
    code(error).as_deref() == Some("23505")
}

fn code(error: &SqlError) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// As the error of the store. `what` was tried.
pub(super) fn unavailable(what: &str, target: &Target, error: &SqlError) -> StoreError {
    StoreError::Unavailable {
        what: format!("cannot {what} the database `{}`", target.shown),
        source: Box::new(Said(said(error))),
        hint: hint(target, error),
        id: id(error),
    }
}

/// Returns the id of the kind of error.
fn id(error: &SqlError) -> ErrorId {
    let code = match error {
        SqlError::Io(_) | SqlError::Tls(_) => return ErrorId::SERVER_UNREACHABLE,
        error => code(error).unwrap_or_default(),
    };
    match &*code {
        "28P01" | "28000" | "3D000" => ErrorId::LOGIN_REFUSED,
        "42501" | "25006" => ErrorId::DATABASE_FORBIDDEN,
        "42P01" | "3F000" => ErrorId::DATABASE_DAMAGED,
        "53100" => ErrorId::DISK_FULL,
        "55P03" | "40P01" => ErrorId::DATABASE_LOCKED,
        "40001" => ErrorId::STORE_CONTENDED,
        "54000" => ErrorId::FACT_UNWRITABLE,
        "53300" => ErrorId::SERVER_UNREACHABLE,
        code if code.starts_with("57P") || code.starts_with("08") => ErrorId::SERVER_UNREACHABLE,
        _ => ErrorId::STORE_UNAVAILABLE,
    }
}

fn said(error: &SqlError) -> String {
    match error {
        SqlError::Io(error) => error.to_string(),
        SqlError::Tls(error) => format!("no encrypted connection: {error}"),
        SqlError::Database(error) => {
            let code = error.code().unwrap_or_default();
            format!("{} (SQLSTATE {code})", error.message())
        }
        error => error.to_string(),
    }
}

fn hint(target: &Target, error: &SqlError) -> Option<String> {
    let (user, database) = (target.address.user(), target.address.database());
    let schema = &target.schema;
    let code = match error {
        SqlError::Io(error) => return Some(network(target, error.kind())),
        SqlError::Tls(_) => return Some(encryption()),
        SqlError::Database(error) => error.code()?,
        _ => return None,
    };
    Some(match &*code {
        "28P01" | "28000" => format!(
            "check user `{user}` and its password in the address, and who may connect from here in \
             `pg_hba.conf` of the server"
        ),
        "3D000" => format!("create the database: `createdb {database}`, or name another one"),
        "42501" => privilege(target, error.as_database_error()?.message()),
        "42P01" | "3F000" => format!(
            "the tables in schema `{schema}` are gone: restore them from a backup, or connect \
             again to have new ones made"
        ),
        "53100" => "free some space on the disk of the server, then resume the run".to_owned(),
        "53300" => "raise `max_connections` of the server, or lower `connections` of the stores \
                    that use it"
            .to_owned(),
        "57014" => "raise `statement_timeout` of the store if the server needs so long, then \
                    resume the run"
            .to_owned(),
        "55P03" | "40P01" => "find out in `pg_stat_activity` who keeps the tables locked, then \
                              resume the run"
            .to_owned(),
        "25006" => "connect to the primary: this server only reads".to_owned(),
        "26000" | "42P05" => "let the pooler in between keep a connection for a whole session \
                              (`pool_mode = session`), or connect to the server itself"
            .to_owned(),
        "54000" => "append smaller facts: PostgreSQL takes less than a gigabyte at once".to_owned(),
        code if code.starts_with("57P") => {
            "wait until the server is up again, then resume the run".to_owned()
        }
        _ => return None,
    })
}

fn encryption() -> String {
    "check `sslmode` in the address, and `sslrootcert`: the file of who signs for the server, if \
     it is none of the well-known authorities"
        .to_owned()
}

fn network(target: &Target, kind: ErrorKind) -> String {
    let shown = &target.shown;
    match kind {
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => {
            format!("start PostgreSQL there, or correct host and port in `{shown}`")
        }
        // How a certificate that is not believed comes out of the handshake.
        ErrorKind::InvalidData => encryption(),
        ErrorKind::TimedOut => format!(
            "check the network between here and `{shown}` and how busy the server is, then resume \
             the run"
        ),
        _ => format!(
            "check the server and the network between here and `{shown}`, then resume \
                      the run"
        ),
    }
}

/// The database has been through migrations that this program does not know.
pub(super) fn newer(target: &Target, version: i64, known: usize) -> StoreError {
    let source = format!("its tables are of version {version}, and this program knows {known}");
    unusable(
        ErrorId::DATABASE_NEWER,
        &target.shown,
        source,
        "use the newer program that made them, or choose another `schema` or database",
    )
}

/// The schema belongs to something else.
pub(super) fn foreign(target: &Target) -> StoreError {
    let source = format!("its schema `{}` holds tables of another program", target.schema);
    let hint = "choose another `schema`: a store has one of its own";
    unusable(ErrorId::DATABASE_FOREIGN, &target.shown, source, hint)
}

/// Text in it cannot be what it was.
pub(super) fn encoding(target: &Target, encoding: &str) -> StoreError {
    let source = format!("its encoding is {encoding}, which cannot hold every text");
    let database = target.address.database();
    let hint = format!(
        "use a database in UTF-8: `createdb --encoding=UTF8 --template=template0 {database}`"
    );
    unusable(ErrorId::DATABASE_FOREIGN, &target.shown, source, &hint)
}

/// The server is one that follows another.
pub(super) fn read_only(target: &Target) -> StoreError {
    let source = "the server only reads".to_owned();
    let hint = "connect to the primary, or to a user who may write";
    unusable(ErrorId::DATABASE_FORBIDDEN, &target.shown, source, hint)
}
