//! Programs whose process really dies, and that go on in another.

use super::*;

/// Writes what was really done where another process can read it.
fn note(db: &str, what: &str) {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.append(true).create(true).open(format!("{db}.log")).unwrap();
    writeln!(file, "{what}").unwrap();
}

/// Ends the process as a crash does: nothing is put in order.
fn die() {
    #[expect(clippy::exit, reason = "it is what is tested")]
    std::process::exit(9);
}

pub(super) async fn of(how: &str, dies: bool, db: &str) -> Workflow {
    let store = Sqlite::open(db).await.unwrap();
    let log = db.to_owned();
    let tool = match how {
        "once" => FunctionTool::new("act", "Charges.", move |_: Pay, cx: StepContext| {
            let log = log.clone();
            async move {
                let work = async {
                    note(&log, "charged");
                    Ok::<_, StepError>("receipt".to_owned())
                };
                let receipt = cx.once("charge", work).await.map_err(ToolError::Fatal)?;
                if dies {
                    die();
                }
                Ok::<_, ToolError>(receipt)
            }
        }),
        "agent" => {
            let asked = log.clone();
            let expert = FunctionModel::new(move |_| {
                note(&asked, "expert asked");
                Reply::text("INNER")
            });
            let expert = agent("Expert", expert, []);
            FunctionTool::new("act", "Asks.", move |_: Pay, cx: StepContext| {
                let expert = expert.clone();
                async move {
                    let answer = expert.execute(StepInput::of("why?"), cx).await;
                    if dies {
                        die();
                    }
                    answer
                        .map(|output| output.content.text().into_owned())
                        .map_err(ToolError::Fatal)
                }
            })
        }
        _ => FunctionTool::new("act", "Pays.", move |_: Pay| {
            note(&log, "paid");
            if dies {
                die();
            }
            async { "paid" }
        }),
    };
    let model = script([Reply::call("act", json!({"eur": 5}))]);
    let step = Step::new("Till", agent("Till", model, [tool]));
    Workflow::builder("W").step(step).store(store).build().unwrap()
}

pub(super) fn died(how: &str, db: &str) {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "calls::a_child_dies_in_a_tool", "--nocapture"])
        .env("STEPWRIGHT_TEST_DIES", how)
        .env("STEPWRIGHT_TEST_DB", db)
        .output()
        .unwrap();
    assert_eq!(child.status.code(), Some(9), "{}", String::from_utf8_lossy(&child.stderr));
}

pub(super) fn log(db: &str) -> Vec<String> {
    let log = std::fs::read_to_string(format!("{db}.log")).unwrap_or_default();
    log.lines().map(ToOwned::to_owned).collect()
}
