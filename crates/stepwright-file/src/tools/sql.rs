//! `sql`: questions to a database.

use crate::effects;
use crate::format::reader::{Fields, Reader, ToolKind};
use crate::format::{AgentTool, Word};

pub(super) const KIND: ToolKind = ToolKind {
    name: "sql",
    shown: "`sql`",
    read,
    effects: effects::SQL,
    settings: SETTINGS,
    needs: &["sqlite", "postgres"],
};

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
const SETTINGS: &[crate::format::form::Member] = &[];

#[cfg(not(any(feature = "sqlite", feature = "postgres")))]
fn read(
    reader: &mut Reader<'_>,
    name: &Word,
    _: Option<&mut Fields<'_>>,
) -> Option<Box<dyn AgentTool>> {
    let mistake = reader.mistake(name.span, "the tool `sql` was left out of this program");
    reader.push(mistake.help("build it with the feature `sqlite` or `postgres`"));
    None
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
use with_a_database::{SETTINGS, read};

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod with_a_database {
    use super::{AgentTool, Fields, Reader, Word};
    use crate::format::form::{Form, Member, key};
    use crate::system::Granted;
    use std::time::Duration;
    use stepwright_agent::{AgentBuilder, Toolkit};
    use stepwright_core::tool::AnyTool;
    use stepwright_core::{Error, ErrorKind};
    use stepwright_tools::{ROWS_MAX, Sql};

    pub(super) const SETTINGS: &[Member] = &[
        key("sqlite", &Form::Text, "The path of an SQLite file, beneath the base directory."),
        key("postgres", &Form::Text, "The secret with the address of a PostgreSQL database."),
        key("rows", &Form::Whole(1, ROWS_MAX as u64), "The maximum number of rows of an answer."),
        key("timeout", &Form::Duration, "The maximum time of a statement."),
        key("write", &Form::Bool, "Whether the model may change the database."),
    ];

    #[derive(Debug)]
    struct Questions {
        database: Database,
        rows: Option<usize>,
        timeout: Option<Duration>,
        write: bool,
    }

    #[derive(Debug)]
    enum Database {
        /// The path of a file beneath the base directory.
        #[cfg(feature = "sqlite")]
        Sqlite(Word),
        /// The name of the secret that holds the address.
        #[cfg(feature = "postgres")]
        Postgres(Word),
    }

    /// The toolkit, or the reason why there is none.
    struct Kit(Result<Sql, Error>);

    impl Toolkit for Kit {
        fn tools(self) -> Result<Vec<AnyTool>, Error> {
            self.0?.tools()
        }
    }

    pub(super) fn read(
        reader: &mut Reader<'_>,
        name: &Word,
        fields: Option<&mut Fields<'_>>,
    ) -> Option<Box<dyn AgentTool>> {
        let help = "write `sql: {sqlite: data/sales.db}`, or `sql: {postgres: SALES_URL}` with the \
                    name of a secret";
        let Some(fields) = fields else {
            let mistake = reader.mistake(name.span, "`sql` needs a database");
            reader.push(mistake.help(help));
            return None;
        };
        let places = (fields.place("sqlite"), fields.place("postgres"));
        let (sqlite, postgres) = (fields.word(reader, "sqlite"), fields.word(reader, "postgres"));
        let rows = u64::try_from(ROWS_MAX).unwrap_or(u64::MAX);
        let rows = fields.number(reader, "rows", (1, rows));
        let rows = rows.and_then(|rows| usize::try_from(rows).ok());
        let timeout = fields.duration(reader, "timeout");
        let write = fields.bool(reader, "write") == Some(true);
        let database = match (sqlite, postgres, places) {
            (Some(_), Some(_), (_, Some(place))) => {
                let mistake = reader.mistake(place, "`sql` has two databases");
                reader.push(mistake.help("leave one of them out"));
                return None;
            }
            #[cfg(feature = "sqlite")]
            (Some(file), _, _) => {
                reader.beneath(&file);
                Database::Sqlite(file)
            }
            #[cfg(feature = "postgres")]
            (_, Some(secret), _) => Database::Postgres(secret),
            (_, _, (Some(place), _) | (_, Some(place))) => {
                let what = "this database was left out of this program, or its value is wrong";
                let mistake = reader.mistake(place, what);
                reader.push(mistake.help("build it with the feature `sqlite` or `postgres`"));
                return None;
            }
            _ => {
                let mistake = reader.mistake(fields.span, "`sql` needs a database");
                reader.push(mistake.help(help));
                return None;
            }
        };
        Some(Box::new(Questions { database, rows, timeout, write }))
    }

    impl Questions {
        fn kit(&self, granted: &Granted) -> Result<Sql, Error> {
            let mut kit = match &self.database {
                #[cfg(feature = "sqlite")]
                Database::Sqlite(file) => {
                    let root = granted.folder.root().map_err(|error| {
                        Error::new(ErrorKind::Definition, error.data.message.clone())
                    })?;
                    Sql::sqlite_beneath(root, &file.text)
                }
                #[cfg(feature = "postgres")]
                Database::Postgres(secret) => {
                    let name = &secret.text;
                    let Some(url) = granted.named_secrets.get(name) else {
                        let what = format!("`sql` names the secret `{name}`, which has no value");
                        return Err(Error::new(ErrorKind::Definition, what));
                    };
                    Sql::postgres(url)
                }
            };
            if let Some(rows) = self.rows {
                kit = kit.rows(rows);
            }
            if let Some(timeout) = self.timeout {
                kit = kit.timeout(timeout);
            }
            Ok(kit.write(self.write))
        }
    }

    impl AgentTool for Questions {
        fn known_as(&self) -> &'static [&'static str] {
            const ALL: &[&str] = &["sql_schema", "sql_query", "sql_execute"];
            if self.write { ALL } else { &ALL[..2] }
        }

        fn only_reads(&self) -> bool {
            !self.write
        }

        fn secret(&self) -> Option<&Word> {
            match &self.database {
                #[cfg(feature = "sqlite")]
                Database::Sqlite(_) => None,
                #[cfg(feature = "postgres")]
                Database::Postgres(secret) => Some(secret),
            }
        }

        fn give_to(&self, agent: AgentBuilder, granted: &Granted) -> AgentBuilder {
            agent.tool(Kit(self.kit(granted)))
        }
    }
}
