//! Workflows to look at.

mod people;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::fmt::Write as _;
use std::time::Duration;
use stepwright_agent::{Agent, FunctionTool};
use stepwright_core::plan::{OnError, Retry};
use stepwright_core::{
    Executor, Json, Memory, StepContext, StepError, StepInput, StepOutput, World,
};
use stepwright_engine::{Condition, Loop, Map, Parallel, Parts, Router, Run, Step, Workflow};
use stepwright_testing::model::{Reply, ScriptedModel};

pub(crate) const NAMES: [&str; 11] = [
    "article",
    "nested",
    "failing",
    "cancelled",
    "structured",
    "long",
    "wide",
    "hostile",
    "paused",
    "answered",
    "hostile-asked",
];

/// Returns the lines typed when the run waits for answers.
pub(crate) fn answers(name: &str) -> Option<&'static str> {
    match name {
        "answered" => Some(people::ANSWERED),
        "hostile-asked" => Some(people::HOSTILE),
        _ => None,
    }
}

/// The run of this name.
pub(crate) fn run(name: &str, world: &World) -> Run {
    match name {
        "article" => article(world),
        "nested" => nested(world),
        "failing" => failing(world),
        "cancelled" => cancelled(world),
        "structured" => structured(world),
        "long" => said(world, "Long", &long()),
        "wide" => said(world, "Wide 日本語 👩‍🚀", WIDE),
        "hostile" => hostile(world),
        "paused" => people::paused(world),
        "answered" => people::answered(world),
        "hostile-asked" => people::hostile(world),
        other => panic!("there is no scenario `{other}`"),
    }
}

fn model(world: &World, name: &str, replies: Vec<Reply>) -> ScriptedModel {
    ScriptedModel::new(replies).named(name).delay(world, Duration::from_millis(20))
}

fn agent(world: &World, name: &str, replies: Vec<Reply>) -> Agent {
    let model = model(world, &name.to_lowercase(), replies);
    Agent::builder(name).model(model).unwrap().build().unwrap()
}

#[derive(Deserialize, JsonSchema)]
struct Search {
    #[expect(dead_code, reason = "only the schema is used")]
    query: String,
}

const DRAFT: &str = "\
## What is known

The field moves in **three** directions, says [the report](https://example.org/report):

1. models that *act*,
2. models that are small, and
3. tools that check what models say.

> What cannot be checked is not known.
";

const ARTICLE: &str = "\
# Where it goes

| Year | What | How much |
|------|------|---------:|
| 2025 | agents that search and read the web | 10 |
| 2026 | agents that act | 120 |

Run it yourself:

```rust
let output = workflow.run(\"AI trends\").await?;
println!(\"{output}\");
```

- [x] checked
- [ ] `printed`

---

The end.";

fn article(world: &World) -> Run {
    let replies = vec![
        Reply::reasoning(
            "The user asks about trends. I should look that up first, because what I \
             know may be old by now, and then say where I found it.",
        )
        .and_text("Let me look that up.")
        .and_call("search", json!({"query": "AI trends 2026"}))
        .with_tokens(120, 40),
        Reply::text(DRAFT).with_tokens(410, 90),
    ];
    let clock = world.clone();
    let search = FunctionTool::new("search", "Searches.", move |_: Search| {
        let clock = clock.clone();
        async move {
            clock.sleep(Duration::from_millis(700)).await;
            "three results"
        }
    });
    let researcher = Agent::builder("Researcher")
        .model(model(world, "research", replies))
        .unwrap()
        .tool(search)
        .build()
        .unwrap();
    let writer = agent(world, "Writer", vec![Reply::text(ARTICLE).with_tokens(600, 210)]);
    let workflow = Workflow::builder("Content Pipeline")
        .description("Turns a topic into an article.")
        .step(Step::new("Research", researcher))
        .step(Step::new("Write", writer))
        .store(Memory::default())
        .world(world.clone())
        .build()
        .unwrap();
    let picture =
        stepwright_core::Media::url(stepwright_core::MediaKind::Image, "https://example.org/a.png");
    workflow.run("AI trends").run_id("r-1").session_id("s-1").user_id("ada").images([picture])
}

fn waits(world: &World, name: &str, ms: u64, text: &'static str) -> Step {
    let world = world.clone();
    let name = name.to_owned();
    Step::new(name, move |_: StepInput| {
        let world = world.clone();
        async move {
            world.sleep(Duration::from_millis(ms)).await;
            text
        }
    })
}

fn nested(world: &World) -> Run {
    let web = agent(
        world,
        "Web",
        vec![
            Reply::text(
                "Found *three* pages about ants. They live in colonies, and a colony has a queen.",
            ),
            Reply::text("Found one more page."),
        ],
    );
    let papers = agent(
        world,
        "Papers",
        vec![Reply::text("Ants are **old**."), Reply::text("Ants are very old.")],
    );
    let facts = Parallel::new("facts")
        .branch(Step::new("web", web))
        .branch(Step::new("papers", papers))
        .branch(waits(world, "count", 150, "12 000 species"));
    let inner = Workflow::builder("Check")
        .step(waits(world, "spell", 30, "no mistakes"))
        .step(waits(world, "style", 40, ""))
        .build()
        .unwrap();
    let workflow = Workflow::builder("Everything")
        .step(
            Condition::new("needed", |_: &StepInput| true)
                .then(Loop::new("revise").step(facts).at_most(2)),
        )
        .step(
            Router::new("way", |_: &StepInput| "short")
                .choice(waits(world, "short", 20, "the short way"))
                .choice(waits(world, "long", 20, "the long way")),
        )
        .step(
            Map::new("each")
                .over(|_: &StepInput| vec!["one", "two"])
                .concurrency(2)
                .step(waits(world, "work", 25, "worked")),
        )
        .step(Condition::new("never", |_: &StepInput| false).then(waits(world, "no", 1, "")))
        .step(Step::workflow("check", inner))
        .world(world.clone())
        .build()
        .unwrap();
    workflow.run("ants").run_id("r-1").session_id("s-1")
}

fn failing(world: &World) -> Run {
    let flaky = Step::new("flaky", move |_: StepInput| async move {
        let error = std::io::Error::other("connection reset by peer");
        Err::<String, _>(StepError::from(error).with_hint("see whether the server is there"))
    })
    .retry(Retry { retries: 2, jitter: false, ..Retry::default() });
    let optional = Step::new("optional", move |_: StepInput| async move {
        Err::<String, _>(StepError::terminal("the archive is closed"))
    })
    .on_error(OnError::Skip);
    let workflow = Workflow::builder("Failing")
        .step(waits(world, "first", 40, "done"))
        .step(optional)
        .step(flaky)
        .world(world.clone())
        .build()
        .unwrap();
    workflow.run("try").run_id("r-1").session_id("s-1")
}

fn cancelled(world: &World) -> Run {
    let text = "The first words stay.\n\nThe second paragraph is never ";
    let writer = agent(world, "Writer", vec![Reply::text(text).and_hang()]);
    let workflow = Workflow::builder("Hanging")
        .step(Step::new("Write", writer))
        .step(waits(world, "after", 1, "never"))
        .world(world.clone())
        .build()
        .unwrap();
    let run = workflow.run("hang").run_id("r-1").session_id("s-1");
    let world = world.clone();
    tokio::spawn(async move {
        world.sleep(Duration::from_secs(3)).await;
        assert!(workflow.cancel_now("r-1"));
    });
    run
}

async fn rate(input: StepInput) -> Json<serde_json::Value> {
    Json(json!({"of": input.text().len() > 1, "nested": {"deep": [1, {"x": null}]}}))
}

fn structured(world: &World) -> Run {
    let answer = r#"{"title": "Ants", "points": ["old", "many"], "score": 0.75}"#;
    let writer = agent(world, "Writer", vec![Reply::text(answer)]);
    let workflow = Workflow::builder("Structured")
        .step(Step::new("Write", writer))
        .step(rate)
        .world(world.clone())
        .build()
        .unwrap();
    let input = json!({"topic": "ants", "sources": 3, "tags": ["nature", "society"]});
    workflow.run(input).run_id("r-1").session_id("s-1")
}

fn said(world: &World, name: &str, text: &str) -> Run {
    let writer = agent(world, "Writer", vec![Reply::text(text)]);
    let workflow = Workflow::builder(name)
        .step(Step::new("Write", writer))
        .world(world.clone())
        .build()
        .unwrap();
    workflow.run(name).run_id("r-1").session_id("s-1")
}

fn long() -> String {
    let mut text = "# A long text\n".to_owned();
    for number in 1..=6 {
        let _ = writeln!(
            text,
            "\nParagraph {number} has quite a few words, and they are broken where they do not fit, \
             but never wider than can be read without getting lost on the way back to the next \
             line."
        );
    }
    text.push_str("\nhttps://example.org/");
    text.push_str(&"a-very-long-address/".repeat(12));
    text.push_str("\n\n```\n");
    text.push_str(&"code that does not fit ".repeat(10));
    text.push_str("\n```\n");
    text
}

const WIDE: &str = "\
**日本語のテキスト**は、空白なしで書かれています。改行はどこでもできます。とても長い文章なので、何行にもなります。

| 名前 | 絵文字 |
|---|---|
| 宇宙飛行士 | 👩‍🚀 |
| 家族 | 👨‍👩‍👧‍👦 |
| 心 | ❤️ |

- 🇩🇪 flags, e\u{301} accents, and ｆｕｌｌ ｗｉｄｔｈ
";

/// Obeys no rules.
struct Hostile;

impl Executor for Hostile {
    fn name(&self) -> &'static str {
        "hostile\x1b[31m"
    }

    async fn execute(&self, _: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        cx.note("\x1b[2J\x1b[Hprogress");
        Err(StepError::terminal("\x1b]0;title\x07error \x1b[5;5Hhere\nand on a second line"))
    }
}

fn hostile(world: &World) -> Run {
    let text = "\x1b[2J\x1b[H\x1b]0;owned\x07Text \u{202e}backwards\u{202c} \u{9b}31mred&#27;[2J.\
        \n\n\
        [link](https://example.org/&#27;]8;;x) and \r\x08overwritten `\x1b[1A` code\n\n\
        ```\x1b[31m\n\x1b]52;c;aGVsbG8=\x07clipboard\n```\n";
    let replies = vec![
        Reply::text("\x1b[?1049hlook")
            .and_call("search\x1b[31m", json!({"query": "\x1b[2J\u{9b}2J"})),
        Reply::text(text),
    ];
    let agent = agent(world, "Agent\u{202e}x", replies);
    let workflow = Workflow::builder("Hostile\x1b[31m workflow")
        .id("hostile")
        .description("It\x1b[2J says\nmuch")
        .step(Step::new("Write", agent))
        .step(Step::new("fails", Hostile))
        .world(world.clone())
        .build()
        .unwrap();
    let input = Parts::default().text("message \x1b[2J\x1b]0;x\x07\r\nof two lines");
    workflow.run(input).run_id("r-1").session_id("s-1")
}
