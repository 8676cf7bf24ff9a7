//! The `Sql` toolkit: questions to a database.

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

use crate::effects;
use crate::kit::{KitTool, mistake};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;
use stepwright_agent::{FunctionTool, Toolkit};
use stepwright_core::permission::Effect;
use stepwright_core::tool::{AnyTool, ToolError};
use stepwright_core::{Error, StepContext};

/// The default number of rows that a query gives.
pub const ROWS: usize = 100;

/// The largest number of rows that a query can give.
pub const ROWS_MAX: usize = 10_000;

/// The largest size of the rows that a query gives, in bytes. Models pay for every word.
pub const ROWS_BYTES_MAX: usize = 200_000;

/// The longest value that is given, in characters. The rest is left out.
pub const CELL_CHARS_MAX: usize = 4_000;

/// The longest statement, in bytes.
pub const SQL_BYTES_MAX: usize = 100_000;

/// The default time for one statement.
pub const SQL_TIMEOUT: Duration = Duration::from_secs(30);

/// A toolkit for a database: `sql_schema` describes its tables, `sql_query` asks it, and with
/// [`Sql::write`] `sql_execute` changes it.
///
/// Queries only read, and it is the database that refuses everything else: SQLite opens the file
/// read-only, and asks before each statement; PostgreSQL runs a query in a read-only transaction,
/// as a part of a `SELECT`.
///
/// ```
/// # #[cfg(feature = "sqlite")] {
/// use stepwright_agent::Agent;
/// use stepwright_tools::Sql;
/// let sales = Sql::sqlite("sales.db").rows(50);
/// let agent = Agent::builder("Analyst").model("offline")?.tool(sales).build()?;
/// assert_eq!(agent.tools()[1].name, "sql_query");
/// # } Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "the toolkit does nothing until it is given to an agent: `.tool(Sql::sqlite(…))`"]
pub struct Sql {
    database: Database,
    rows: usize,
    timeout: Duration,
    write: bool,
}

#[derive(Clone)]
enum Database {
    #[cfg(feature = "sqlite")]
    Sqlite {
        file: std::path::PathBuf,
        /// The directory that contains the file, where another place is an error.
        within: Option<std::path::PathBuf>,
    },
    #[cfg(feature = "postgres")]
    Postgres(String),
}

impl Sql {
    /// Creates a toolkit for the SQLite database in this file.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(file: impl Into<std::path::PathBuf>) -> Self {
        Self::of(Database::Sqlite { file: file.into(), within: None })
    }

    /// Creates a toolkit for a SQLite database that must be beneath a directory. For workflow
    /// files.
    #[cfg(feature = "sqlite")]
    #[doc(hidden)]
    pub fn sqlite_beneath(dir: impl Into<std::path::PathBuf>, file: &str) -> Self {
        let dir = dir.into();
        Self::of(Database::Sqlite { file: dir.join(file), within: Some(dir) })
    }

    /// Creates a toolkit for the PostgreSQL database with this address, such as
    /// `postgres://reader@localhost/sales`. Queries are refused for a superuser, because a read-only
    /// transaction does not keep one from files and programs of the server.
    #[cfg(feature = "postgres")]
    pub fn postgres(url: impl Into<String>) -> Self {
        Self::of(Database::Postgres(url.into()))
    }

    fn of(database: Database) -> Self {
        Self { database, rows: ROWS, timeout: SQL_TIMEOUT, write: false }
    }

    /// Sets the largest number of rows that a query gives. Default: [`ROWS`]; at most [`ROWS_MAX`].
    pub fn rows(mut self, rows: usize) -> Self {
        self.rows = rows;
        self
    }

    /// Sets the time for one statement. Default: [`SQL_TIMEOUT`].
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets whether the model may change the database, with `sql_execute`. Default: no.
    pub fn write(mut self, on: bool) -> Self {
        self.write = on;
        self
    }

    /// Checks the settings, as building an agent does.
    ///
    /// # Errors
    /// Returns an error if a setting is invalid. The hint of the error says what to do.
    pub fn check(&self) -> Result<(), Error> {
        if !(1..=ROWS_MAX).contains(&self.rows) {
            let error = mistake(format!("`rows` is {}", self.rows));
            return Err(error.with_hint(format!("set 1 to {ROWS_MAX}")));
        }
        if self.timeout.is_zero() {
            return Err(mistake("`timeout` must be greater than zero"));
        }
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite { file, .. } if file.as_os_str().is_empty() => {
                Err(mistake("the file of the database is empty").with_hint("name a file"))
            }
            #[cfg(feature = "sqlite")]
            Database::Sqlite { .. } => Ok(()),
            #[cfg(feature = "postgres")]
            Database::Postgres(url) => postgres::check(url),
        }
    }

    /// Answers a query.
    async fn query(&self, sql: &str, cx: &StepContext) -> Result<Rows, ToolError> {
        let sql = one(sql)?;
        let (rows, limit) = (self.rows, self.timeout);
        let asked = async {
            match &self.database {
                #[cfg(feature = "sqlite")]
                Database::Sqlite { file, within } => {
                    let file = sqlite::place(file, within.as_deref())?;
                    sqlite::query(file, sql.to_owned(), rows).await
                }
                #[cfg(feature = "postgres")]
                Database::Postgres(url) => postgres::query(url, sql, rows, limit).await,
            }
        };
        in_time(cx, limit, asked).await
    }

    async fn execute(&self, sql: &str, cx: &StepContext) -> Result<u64, ToolError> {
        let sql = one(sql)?;
        let changed = async {
            match &self.database {
                #[cfg(feature = "sqlite")]
                Database::Sqlite { file, within } => {
                    let file = sqlite::place(file, within.as_deref())?;
                    sqlite::execute(file, sql.to_owned()).await
                }
                #[cfg(feature = "postgres")]
                Database::Postgres(url) => postgres::execute(url, sql, self.timeout).await,
            }
        };
        let limit = self.timeout;
        cx.world().timeout(limit, changed).await.unwrap_or_else(|| {
            Err(ToolError::Failed(format!(
                "the statement took longer than {limit:?} and was stopped; look whether it was done \
                 before you repeat it"
            )))
        })
    }

    fn schema(&self) -> &'static str {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite { .. } => sqlite::SCHEMA,
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => postgres::SCHEMA,
        }
    }

    fn dialect(&self) -> &'static str {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite { .. } => "SQLite",
            #[cfg(feature = "postgres")]
            Database::Postgres(_) => "PostgreSQL",
        }
    }
}

async fn in_time<T>(
    cx: &StepContext,
    limit: Duration,
    work: impl Future<Output = Result<T, ToolError>> + Send,
) -> Result<T, ToolError> {
    cx.world().timeout(limit, work).await.unwrap_or_else(|| {
        Err(ToolError::Failed(format!("the statement took longer than {limit:?} and was stopped")))
    })
}

/// Returns a statement without what ends it.
fn one(sql: &str) -> Result<&str, ToolError> {
    if sql.len() > SQL_BYTES_MAX {
        let bytes = sql.len();
        let wrong = format!("the statement has {bytes} bytes; the limit is {SQL_BYTES_MAX}");
        return Err(ToolError::Arguments(wrong));
    }
    let sql = sql.trim().trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    if sql.is_empty() {
        return Err(ToolError::Arguments("the statement is empty".into()));
    }
    if sql.contains('\0') {
        return Err(ToolError::Arguments("the statement contains a NUL byte".into()));
    }
    Ok(sql)
}

/// The rows that a query gives.
#[derive(Debug)]
struct Rows {
    rows: Vec<Value>,
    /// `true` if there are more.
    more: bool,
}

impl Rows {
    /// Returns the rows as JSON, one in each line.
    fn written(self, most: usize) -> String {
        if self.rows.is_empty() {
            return "there are no rows".into();
        }
        let (mut text, mut given) = (String::new(), 0);
        for row in &self.rows {
            let line = row.to_string();
            if !text.is_empty() && text.len() + line.len() > ROWS_BYTES_MAX {
                break;
            }
            text.push_str(&line);
            text.push('\n');
            given += 1;
        }
        if given < self.rows.len() {
            let _ = write!(
                text,
                "[more rows are left out after {given}: they have more than {ROWS_BYTES_MAX} bytes; \
                 ask for fewer columns, or use LIMIT and OFFSET]"
            );
        } else if self.more {
            let _ = write!(
                text,
                "[these are the first {most} rows; count or sum in the query, or use LIMIT and \
                 OFFSET]"
            );
        }
        text.trim_end().to_owned()
    }
}

/// Shortens a text of the database.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(CELL_CHARS_MAX) {
        Some((at, _)) => format!("{}… [{} bytes]", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Schema {}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Query {
    /// One statement that reads, such as a SELECT.
    query: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Statement {
    /// One statement that changes data, such as an INSERT, UPDATE or DELETE.
    statement: String,
}

/// Returns the access of a call: its own name, with the statement, and the name of all of them.
fn access(own: &'static str) -> impl Fn(&Value) -> Option<Effect> + Send + Sync + 'static {
    move |arguments| Some(Effect::call(own, arguments).also(effects::SQL[0]))
}

impl Toolkit for Sql {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        self.check()?;
        let kit = Arc::new(self);
        let asked = kit.clone();
        let schema = FunctionTool::new(
            "sql_schema",
            "Describes the tables of the database. Use it before the first query.",
            move |_: Schema, cx: StepContext| {
                let kit = asked.clone();
                async move {
                    let rows = kit.query(kit.schema(), &cx).await?;
                    Ok::<_, ToolError>(rows.written(kit.rows))
                }
            },
        );
        let asked = kit.clone();
        let query = FunctionTool::new(
            "sql_query",
            format!(
                "Asks the {} database. It can only read. Gives a JSON object for each row, of at \
                 most {} rows.",
                kit.dialect(),
                kit.rows
            ),
            move |args: Query, cx: StepContext| {
                let kit = asked.clone();
                async move {
                    let rows = kit.query(&args.query, &cx).await?;
                    Ok::<_, ToolError>(rows.written(kit.rows))
                }
            },
        );
        let mut tools = vec![
            KitTool::with_access(schema.read_only(), access("sql_schema")),
            KitTool::with_access(query.read_only(), access("sql_query")),
        ];
        if kit.write {
            let execute = FunctionTool::new(
                "sql_execute",
                format!("Changes data in the {} database, with one statement.", kit.dialect()),
                move |args: Statement, cx: StepContext| {
                    let kit = kit.clone();
                    async move {
                        let rows = kit.execute(&args.statement, &cx).await?;
                        Ok::<_, ToolError>(json!({"rows_changed": rows}).to_string())
                    }
                },
            );
            // It acts: whether an interrupted statement was carried out is a question.
            tools.push(KitTool::with_access(execute, access("sql_execute")));
        }
        Ok(tools)
    }
}

impl fmt::Debug for Sql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address of a database may hold a password.
        f.debug_struct("Sql")
            .field("dialect", &self.dialect())
            .field("rows", &self.rows)
            .field("write", &self.write)
            .finish_non_exhaustive()
    }
}
