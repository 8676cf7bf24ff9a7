//! SQLite: the file is opened read-only, and an authorizer judges each statement as it is compiled.

use super::{Rows, shortened};
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error as SqlError, OpenFlags};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use stepwright_core::tool::ToolError;

pub(super) const SCHEMA: &str = "SELECT type, name, sql FROM sqlite_schema WHERE type IN \
                                 ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY name";

/// The instructions of SQLite between two looks at whether the call was stopped.
const STEPS: i32 = 1_000;

/// The wait for another connection that writes.
const BUSY: Duration = Duration::from_secs(5);

/// The pragmas that only describe.
const PRAGMAS: [&str; 8] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "database_list",
];

/// The functions that reach beyond the database.
const FUNCTIONS: [&str; 4] = ["load_extension", "fts3_tokenizer", "writefile", "readfile"];

/// Stops a statement when the call that waits for it is dropped.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns the file of a database, which must be beneath a directory if one is named: also where a
/// link leads.
pub(super) fn place(file: &Path, within: Option<&Path>) -> Result<PathBuf, ToolError> {
    let Some(within) = within else { return Ok(file.to_owned()) };
    let shown = file.display();
    let unusable = |why: &dyn std::fmt::Display| {
        ToolError::Failed(format!("the database {shown} cannot be opened: {why}"))
    };
    let whole = file.canonicalize().map_err(|error| unusable(&error))?;
    let within = within.canonicalize().map_err(|error| unusable(&error))?;
    if !whole.starts_with(within) {
        return Err(unusable(&"it is outside of the base directory"));
    }
    Ok(whole)
}

/// Opens the database for one statement.
fn open(file: &Path, write: bool, stopped: Arc<AtomicBool>) -> Result<Connection, ToolError> {
    // Without `SQLITE_OPEN_URI`, so that a file name is a file name; and never created.
    let access =
        if write { OpenFlags::SQLITE_OPEN_READ_WRITE } else { OpenFlags::SQLITE_OPEN_READ_ONLY };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(|error| {
        ToolError::Failed(format!("the database {} cannot be opened: {error}", file.display()))
    })?;
    connection.busy_timeout(BUSY).map_err(told)?;
    // No other file, by `ATTACH` or `VACUUM INTO`.
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0).map_err(told)?;
    connection
        .progress_handler(STEPS, Some(move || stopped.load(Ordering::Relaxed)))
        .map_err(told)?;
    connection
        .authorizer(Some(move |context: AuthContext<'_>| {
            if is_allowed(&context.action, write) {
                Authorization::Allow
            } else {
                Authorization::Deny
            }
        }))
        .map_err(told)?;
    Ok(connection)
}

fn is_allowed(action: &AuthAction<'_>, write: bool) -> bool {
    match action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => {
            !FUNCTIONS.contains(&&*function_name.to_ascii_lowercase())
        }
        AuthAction::Pragma { pragma_name, .. } => {
            PRAGMAS.contains(&&*pragma_name.to_ascii_lowercase())
        }
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => false,
        // A connection belongs to one statement.
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => false,
        AuthAction::Unknown { .. } => false,
        _ => write,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn told(error: SqlError) -> ToolError {
    let text = match &error {
        SqlError::MultipleStatement => {
            "there is more than one statement; send them one by one".into()
        }
        SqlError::SqliteFailure(code, _)
            if code.code == rusqlite::ErrorCode::AuthorizationForStatementDenied =>
        {
            format!("the database refuses this statement: {error}")
        }
        SqlError::SqliteFailure(code, _) if code.code == rusqlite::ErrorCode::ReadOnly => {
            format!("the database refuses this statement: {error}")
        }
        _ => error.to_string(),
    };
    ToolError::Failed(text)
}

async fn on_thread<T: Send + 'static>(
    work: impl FnOnce(Arc<AtomicBool>) -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    let stopped = Arc::new(AtomicBool::new(false));
    let _stop = StopOnDrop(stopped.clone());
    crate::kit::blocking(move || work(stopped)).await
}

pub(super) async fn query(file: PathBuf, sql: String, most: usize) -> Result<Rows, ToolError> {
    on_thread(move |stopped| {
        let connection = open(&file, false, stopped)?;
        let mut statement = connection.prepare(&sql).map_err(told)?;
        if !statement.readonly() {
            let text = "the database refuses this statement: it does not only read";
            return Err(ToolError::Failed(text.into()));
        }
        let names: Vec<String> =
            statement.column_names().into_iter().map(ToOwned::to_owned).collect();
        let mut found = statement.query([]).map_err(told)?;
        let (mut rows, mut more) = (Vec::new(), false);
        while let Some(row) = found.next().map_err(told)? {
            if rows.len() == most {
                more = true;
                break;
            }
            let mut cells = Map::new();
            for (nth, name) in names.iter().enumerate() {
                let value = value(row.get_ref(nth).map_err(told)?);
                // Two columns may have the same name.
                let name =
                    if cells.contains_key(name) { format!("{name}:{nth}") } else { name.clone() };
                cells.insert(name, value);
            }
            rows.push(Value::Object(cells));
        }
        Ok(Rows { rows, more })
    })
    .await
}

pub(super) async fn execute(file: PathBuf, sql: String) -> Result<u64, ToolError> {
    on_thread(move |stopped| {
        let connection = open(&file, true, stopped)?;
        let mut statement = connection.prepare(&sql).map_err(told)?;
        if statement.readonly() {
            let text = "this statement only reads; use `sql_query`";
            return Err(ToolError::Failed(text.into()));
        }
        if statement.column_count() > 0 {
            // With RETURNING the rows are of no use here, and must be read to the end.
            let mut rows = statement.query([]).map_err(told)?;
            while rows.next().map_err(told)?.is_some() {}
        } else {
            statement.execute([]).map_err(told)?;
        }
        Ok(connection.changes())
    })
    .await
}

fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => json!(number),
        ValueRef::Text(text) => shortened(&String::from_utf8_lossy(text)).into(),
        ValueRef::Blob(bytes) => format!("[{} bytes]", bytes.len()).into(),
    }
}
