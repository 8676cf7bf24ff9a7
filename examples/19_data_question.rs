//! A question about data: an analyst writes SQL, the database answers it read-only, and the
//! workflow draws a chart as an SVG file.
//!
//! `cargo run -p stepwright --example 19_data_question -- --model openai:gpt-5-mini`
//!
//! `offline` is not a language model and cannot write SQL: without `--model` a scripted model
//! stands in for the analyst. It looks at the tables, tries its statement, and always writes the
//! same one.

#![expect(clippy::print_stdout, reason = "it shows what a run gives")]

#[path = "course.rs"]
mod course;

use rusqlite::{Connection, OpenFlags};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use stepwright::models::{AnyModel, ModelRequest};
use stepwright::prelude::*;
use stepwright::tools::Sql;
use stepwright::{Error, WorkflowBuilder};
use stepwright_testing::model::{FunctionModel, Reply};

const SALES: [(&str, &str, i64); 6] = [
    ("2026-07", "tea", 200),
    ("2026-07", "coffee", 400),
    ("2026-08", "tea", 225),
    ("2026-08", "coffee", 445),
    ("2026-09", "tea", 290),
    ("2026-09", "coffee", 495),
];

/// The answer of the analyst.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Statement {
    /// One SELECT with the columns `label` and `value`.
    sql: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    label: String,
    value: f64,
}

/// The model of the analyst: the one that the user chose, or the scripted one.
fn analyst_model() -> Result<AnyModel, Error> {
    const SQL: &str = "SELECT month AS label, sum(amount) AS value FROM sales GROUP BY month";
    match course::argument("--model") {
        Some(model) => Ok(stepwright::models::model(&model)?),
        None => Ok(AnyModel::new(FunctionModel::new(|asked: &ModelRequest| {
            match asked.messages.len() {
                1 => Reply::call("sql_schema", json!({})),
                3 => Reply::call("sql_query", json!({"query": SQL})),
                _ => Reply::text(json!({"sql": SQL}).to_string()),
            }
        }))),
    }
}

fn failed(error: impl std::fmt::Display) -> StepError {
    StepError::terminal(error.to_string())
}

/// Asks the database, which is opened to be read only.
fn asked(database: &Path, sql: &str) -> Result<Vec<Row>, StepError> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY);
    let db = db.map_err(failed)?;
    let mut statement = db.prepare(sql).map_err(failed)?;
    let row =
        |row: &rusqlite::Row<'_>| Ok(Row { label: row.get("label")?, value: row.get("value")? });
    let rows = statement.query_map([], row).map_err(failed)?;
    rows.collect::<Result<Vec<_>, _>>().map_err(failed)
}

/// Draws bars.
fn chart(title: &str, rows: &[Row]) -> String {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;");
    let highest = rows.iter().map(|row| row.value).fold(1.0, f64::max);
    let height = 40 + 30 * rows.len();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"640\" height=\"{height}\">\n\
         <title>{}</title>\n",
        escaped(title)
    );
    for (nth, Row { label, value }) in rows.iter().enumerate() {
        let (y, width) = (20 + 30 * nth, 400.0 * value / highest);
        let _ = writeln!(
            svg,
            "<text x=\"10\" y=\"{}\">{}</text>\n\
             <rect x=\"140\" y=\"{y}\" width=\"{width:.1}\" height=\"20\" fill=\"#3366aa\"/>\n\
             <text x=\"560\" y=\"{}\">{value}</text>",
            y + 15,
            escaped(label),
            y + 15
        );
    }
    svg + "</svg>\n"
}

/// The workflow over this database, with its chart in this file.
pub(crate) fn workflow(database: &Path, drawing: &Path) -> Result<WorkflowBuilder, Error> {
    let analyst = Agent::builder("Analyst")
        .model(analyst_model()?)?
        .instructions("Write one SELECT that answers the question. Look at the tables first.")
        .tool(Sql::sqlite(database).rows(20))
        .output::<Statement>()
        .build()?;
    let writer = Agent::builder("Writer")
        .model(course::model())?
        .instructions("Answer the question from the rows. Answer in 2 sentences.")
        .build()?;
    let (database, drawing) = (database.to_owned(), drawing.to_owned());
    let ask = Step::new("rows", move |input: StepInput| {
        let database = database.clone();
        async move {
            let Statement { sql } = input.content().parse()?;
            let work = tokio::task::spawn_blocking(move || asked(&database, &sql));
            Ok::<_, StepError>(Json(work.await.map_err(failed)??))
        }
    });
    let draw = Step::new("chart", move |input: StepInput| {
        let drawing = drawing.clone();
        async move {
            let rows: Vec<Row> = input.content().parse()?;
            let svg = chart(&input.run.content.text(), &rows);
            std::fs::write(&drawing, svg).map_err(failed)?;
            Ok::<_, StepError>(format!("{} bars", rows.len()))
        }
    });
    let told = |input: &StepInput| {
        let rows = input.step("rows").map(stepwright::Content::parse::<Vec<Row>>).transpose()?;
        let mut text = input.run.content.text().into_owned();
        for Row { label, value } in rows.unwrap_or_default() {
            let _ = write!(text, "\n\n{label} has {value}.");
        }
        Ok::<_, StepError>(text)
    };
    Ok(Workflow::builder("Question")
        .step(Step::new("query", analyst))
        .step(ask)
        .step(draw)
        .step(Step::new("answer", writer).prompt(told)))
}

/// Makes the database.
pub(crate) fn load(database: &Path) -> Result<(), StepError> {
    let db = Connection::open(database).map_err(failed)?;
    let table = "CREATE TABLE sales (month TEXT, product TEXT, amount INTEGER)";
    db.execute(table, []).map_err(failed)?;
    for (month, product, amount) in SALES {
        let values = (month, product, amount);
        db.execute("INSERT INTO sales VALUES (?1, ?2, ?3)", values).map_err(failed)?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let own = tempfile::tempdir().map_err(|error| Error::usage(error.to_string()))?;
    let database = own.path().join("sales.db");
    load(&database).map_err(|error| Error::usage(error.data.message.clone()))?;
    let drawing = course::argument("--out").map(PathBuf::from);
    let drawing = drawing.unwrap_or_else(|| own.path().join("chart.svg"));
    let workflow = workflow(&database, &drawing)?.build()?;
    let question = course::argument("--question");
    let question = question.unwrap_or_else(|| "How much was sold in each month?".to_owned());
    let output = workflow.run(question).await?;
    for name in ["query", "rows", "chart"] {
        let content = output.step_at(name).map(|step| step.content.text().into_owned());
        println!("{name}: {}", content.unwrap_or_default());
    }
    println!("{}", output.content);
    Ok(())
}
