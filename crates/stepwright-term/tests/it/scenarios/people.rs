//! Workflows that wait for people.

use super::{agent, model, waits};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stepwright_agent::{Agent, FunctionTool};
use stepwright_core::plan::OnError;
use stepwright_core::requirement::OnTimeout;
use stepwright_core::{HumanReview, Memory, StepContext, StepError, StepInput, World};
use stepwright_engine::{Loop, Parallel, Router, Run, Step, Workflow};
use stepwright_testing::model::Reply;

#[derive(Deserialize, JsonSchema)]
struct Mail {
    to: String,
    #[expect(dead_code, reason = "only the schema is used")]
    text: String,
}

/// An agent that needs a confirmation to send a mail.
fn sender(world: &World, to: &str, done: &str) -> Agent {
    let call = json!({"to": to, "text": "The page about ants is ready."});
    let replies = vec![
        Reply::text("I tell them.").and_call("send_mail", call).with_tokens(80, 20),
        Reply::text(done).with_tokens(120, 30),
    ];
    let mail = FunctionTool::new("send_mail", "Sends a mail.", |mail: Mail| async move {
        format!("sent to {}", mail.to)
    });
    Agent::builder("Sender")
        .model(model(world, "sender", replies))
        .unwrap()
        .tool(mail.requires_confirmation())
        .build()
        .unwrap()
}

/// Branches that wait while another one continues.
pub(super) fn paused(world: &World) -> Run {
    let publish = HumanReview::new()
        .requires_confirmation("Publish the page?")
        .timeout(Duration::from_hours(1))
        .on_timeout(OnTimeout::Reject);
    let form = HumanReview::new().requires_user_input("How shall it sound?", tone());
    let steps = Parallel::new("finish")
        .branch(waits(world, "publish", 10, "published").human_review(publish))
        .branch(waits(world, "polish", 10, "polished").human_review(form))
        .branch(Step::new("tell", sender(world, "team@example.org", "They know.")))
        .branch(waits(world, "count", 1_500, "12 000 species"));
    let workflow = Workflow::builder("Newsletter")
        .step(waits(world, "collect", 40, "Ants live in *colonies*."))
        .step(steps)
        .store(Memory::default())
        .world(world.clone())
        .build()
        .unwrap();
    workflow.run("ants").run_id("r-1").session_id("s-1")
}

fn tone() -> serde_json::Value {
    json!({
        "type": "object",
        "properties": {
            "tone": {
                "type": "string",
                "enum": ["plain", "formal"],
                "description": "Who reads it decides.",
            },
            "words": { "type": "integer", "minimum": 50, "default": 300 },
            "tags": { "type": "array", "items": { "type": "string" } },
        },
        "required": ["tone"],
    })
}

/// Every kind of question, answered at a prompt, some of them wrongly at first.
pub(super) fn answered(world: &World) -> Run {
    let review = HumanReview::new().requires_output_review("Is the draft good?");
    let draft = Step::new("draft", |input: StepInput| async move {
        match &input.feedback {
            Some(said) => format!("Ants, **again**: {}", said.feedback),
            None => "Ants.".to_owned(),
        }
    });
    let form = HumanReview::new().requires_user_input("How shall it sound?", tone());
    let polish = Step::new("polish", |input: StepInput| async move {
        let form = input.user_input.clone().unwrap_or_default();
        format!("{} ({form})", input.text())
    });
    let choose = HumanReview::new().requires_route_selection("Where does it go?");
    let router = Router::constant("where", ["blog"])
        .choice(waits(world, "blog", 10, "on the blog"))
        .choice(waits(world, "mail", 10, "in a mail"));
    let turns = HumanReview::new().requires_iteration_review("Short enough?");
    let shorten = Loop::new("shorten").step(waits(world, "cut", 10, "shorter")).at_most(3);
    let tries = Arc::new(AtomicU32::new(0));
    let flaky = Step::new("upload", move |_: StepInput| {
        let tried = tries.fetch_add(1, Ordering::SeqCst);
        async move { if tried < 1 { Err("the server is asleep") } else { Ok("uploaded") } }
    });
    let pay = Step::new("pay", |cx: StepContext| async move {
        let receipt: u32 = cx.once("order", async { Ok::<_, StepError>(41) }).await?;
        let price: f64 = cx.wait("price").message("How much may it cost?").await?;
        Ok::<_, StepError>(format!("order {receipt} for {price}"))
    });
    let workflow = Workflow::builder("Newsletter")
        .step(draft.human_review(review))
        .step(polish.human_review(form))
        .step(router.human_review(choose))
        .step(shorten.human_review(turns))
        .step(flaky.on_error(OnError::Pause))
        .step(pay)
        .step(Step::new("tell", sender(world, "team@example.org", "They know.")))
        .store(Memory::default())
        .world(world.clone())
        .build()
        .unwrap();
    workflow.run("ants").run_id("r-1").session_id("s-1").user_id("ada")
}

/// The lines typed in this scenario.
pub(super) const ANSWERED: &str = "\
perhaps
n longer
y
loud
formal
10
400
ants, queens
3
mail
n
much shorter
y
r
12.5
e
{\"to\": \"all@example.org\", \"text\": \"Ready.\"}
";

/// Obeys no rules.
pub(super) fn hostile(world: &World) -> Run {
    let evil = "\x1b[2J\x1b]0;owned\x07say \u{202e}yes\u{202c} \u{9b}31mnow";
    let schema = json!({
        "type": "object",
        "properties": {
            "\x1b[5;5Hname": { "description": evil, "type": "string", "default": evil },
            "way": { "enum": ["\x1b[31mone", evil] },
        },
    });
    let form = HumanReview::new().requires_user_input(evil, schema);
    let writer = agent(world, "Writer", vec![Reply::text(evil), Reply::text(evil)]);
    let mails = sender(world, evil, evil);
    let failing = Step::new("fails", move |_: StepInput| async move {
        Err::<String, _>(StepError::terminal(evil).with_hint(evil))
    });
    let workflow = Workflow::builder("Hostile")
        .step(waits(world, "form", 1, "x").human_review(form))
        .step(
            Step::new("write", writer)
                .human_review(HumanReview::new().requires_output_review(evil)),
        )
        .step(Step::new("mail", mails))
        .step(failing.on_error(OnError::Pause))
        .store(Memory::default())
        .world(world.clone())
        .build()
        .unwrap();
    workflow.run("x").run_id("r-1").session_id("s-1")
}

pub(super) const HOSTILE: &str = "\
\x1b[2Jtyped\u{9b}2J
\x1b[2J
one
n \x1b]0;x\x07better
y
e
\x1b[2J{
{\"to\": \"\\u001b[2Jall\", \"text\": \"\\u202ex\"}
/later
";
