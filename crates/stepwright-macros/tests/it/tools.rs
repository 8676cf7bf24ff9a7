//! Tools generated from functions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt;
use stepwright_agent::{Agent, Json, tool};
use stepwright_core::tool::{AnyTool, Tool as _, ToolEffect, ToolError};
use stepwright_core::{Executor as _, OnInterrupted, StepContext, StepError, StepInput};
use stepwright_testing::model::{Reply, ScriptedModel};

#[derive(Debug)]
struct NoSuchCity(String);

impl fmt::Display for NoSuchCity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no city `{}`", self.0)
    }
}

impl std::error::Error for NoSuchCity {}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Celsius,
    Fahrenheit,
}

#[derive(Serialize)]
struct Weather {
    city: String,
    degrees: i64,
}

/// The weather in a city, now.
///
/// Not for history:
/// use another tool.
#[tool(crate = "stepwright_agent")]
async fn weather(
    /// The name of a city.
    city: String,
    /// Celsius unless set.
    unit: Option<Unit>,
    /// The number of days to look ahead,
    /// at most a week.
    #[tool(default = 1)]
    days: u8,
    cx: StepContext,
) -> Result<Json<Weather>, NoSuchCity> {
    cx.note(format!("looking out of the window for {days} days"));
    if city == "Atlantis" {
        return Err(NoSuchCity(city));
    }
    let degrees = match unit {
        Some(Unit::Fahrenheit) => 50,
        Some(Unit::Celsius) | None => 10,
    };
    Ok(Json(Weather { city, degrees }))
}

#[doc = "Not told."]
#[tool(crate = "stepwright_agent", name = "sum-up", description = "Adds numbers.")]
#[allow(clippy::needless_pass_by_value, reason = "attributes stay with the function")]
fn sum(numbers: Vec<i64>) -> Json<i64> {
    Json(numbers.iter().sum())
}

/// Closes the account.
#[tool(crate = "stepwright_agent")]
async fn close() -> Result<(), ToolError> {
    Err(ToolError::Fatal(StepError::terminal("the account is frozen")))
}

/// Looks up.
#[tool(crate = "stepwright_agent", read_only)]
async fn look() {}

/// Sets a value.
#[tool(crate = "stepwright_agent", idempotent, on_interrupted = "fail")]
async fn set() {}

#[cfg(any())]
/// Is never there.
#[tool(crate = "stepwright_agent")]
fn never(nothing: NoSuchType) {}

/// Is never there either.
#[tool(crate = "stepwright_agent")]
#[cfg(any())]
fn neither(nothing: NoSuchType) {}

async fn call(
    tool: impl stepwright_core::tool::Tool,
    arguments: Value,
) -> Result<String, ToolError> {
    tool.call(arguments, StepContext::detached("here")).await
}

#[test]
fn a_tool_says_what_its_calls_do_outside() {
    assert_eq!((look.effect(), look.on_interrupted()), (ToolEffect::ReadOnly, None));
    let fail = Some(OnInterrupted::Fail);
    assert_eq!((set.effect(), set.on_interrupted()), (ToolEffect::Idempotent, fail));
    assert_eq!((close.effect(), close.on_interrupted()), (ToolEffect::Acts, None));
}

#[test]
fn the_model_is_told_what_the_function_says_of_itself() {
    let spec = weather.spec();
    assert_eq!(spec.name, "weather");
    let about = "The weather in a city, now.\n\nNot for history:\nuse another tool.";
    assert_eq!(spec.description, about);
    assert_eq!(
        spec.parameters,
        json!({
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "The name of a city."},
                "unit": {
                    "type": ["string", "null"], "enum": ["celsius", "fahrenheit", null],
                    "description": "Celsius unless set.",
                },
                "days": {
                    "type": "integer", "format": "uint8", "minimum": 0, "maximum": 255,
                    "description": "The number of days to look ahead,\nat most a week.",
                    "default": 1,
                },
            },
            "required": ["city"],
            "additionalProperties": false,
        }),
    );
    assert_eq!((&*sum.spec().name, &*sum.spec().description), ("sum-up", "Adds numbers."));
    assert_eq!(
        close.spec().parameters,
        json!({"type": "object", "properties": {}, "additionalProperties": false}),
    );
}

#[tokio::test]
async fn calling_it_is_calling_the_function() {
    let told = call(weather, json!({"city": "Bergen", "unit": "fahrenheit"})).await;
    assert_eq!(told.unwrap(), r#"{"city":"Bergen","degrees":50}"#);
    let told = call(weather, json!({"city": "Bergen", "unit": null})).await;
    assert_eq!(told.unwrap(), r#"{"city":"Bergen","degrees":10}"#);
    let error = call(weather, json!({"city": "Atlantis"})).await.unwrap_err();
    assert_eq!(error, ToolError::Failed("there is no city `Atlantis`".into()));
    assert_eq!(call(sum, json!({"numbers": [1, 2, 3]})).await.unwrap(), "6");
    assert!(matches!(call(close, json!({})).await, Err(ToolError::Fatal(_))));

    let cx = StepContext::detached("here");
    assert!(weather::run("Atlantis".into(), None, 2, cx).await.is_err());
    assert_eq!(sum::run(vec![4]).0, 4);
}

#[tokio::test]
async fn wrong_arguments_are_told_with_their_place() {
    let cases = [
        (
            json!({"city": "Bergen", "days": 300}),
            "at `days`: invalid value: integer `300`, expected u8",
        ),
        (
            json!({"citty": "Bergen"}),
            "at `citty`: unknown field `citty`, expected one of `city`, `unit`, `days`",
        ),
        (json!({}), "missing field `city`"),
        (
            json!({"city": "Bergen", "unit": "kelvin"}),
            "at `unit`: unknown variant `kelvin`, expected `celsius` or `fahrenheit`",
        ),
    ];
    for (arguments, expected) in cases {
        let error = call(weather, arguments).await.unwrap_err();
        assert_eq!(error, ToolError::Arguments(expected.into()));
    }
    let error = call(sum, json!({"numbers": [1, "two"]})).await.unwrap_err();
    let expected = "at `numbers[1]`: invalid type: string \"two\", expected i64";
    assert_eq!(error, ToolError::Arguments(expected.into()));
}

#[tokio::test]
async fn a_model_corrects_itself() {
    let model = ScriptedModel::new([
        Reply::call("weather", json!({"town": "Bergen"})),
        Reply::call("weather", json!({"city": "Bergen"})),
        Reply::text("Ten degrees."),
    ]);
    let agent =
        Agent::builder("Adviser").model(model.clone()).unwrap().tool(weather).build().unwrap();
    let output = agent.execute(StepInput::of("Bergen?"), StepContext::detached("advise")).await;
    assert_eq!(output.unwrap().content.text(), "Ten degrees.");
    let told = |nth: usize| {
        let messages = model.requests()[nth].messages.clone();
        format!("{:?}", messages.last().unwrap())
    };
    assert!(told(1).contains("correct them and call `weather` again"), "{}", told(1));
    assert!(told(1).contains("unknown field `town`"), "{}", told(1));
    assert!(told(2).contains("degrees"), "{}", told(2));
}

#[test]
fn it_is_a_value_like_any_other() {
    let all = [AnyTool::new(weather), AnyTool::new(sum)];
    let agent = Agent::builder("a").model("offline").unwrap().tools(all).tool(close);
    let agent = agent.build().unwrap();
    let names: Vec<&str> = agent.tools().iter().map(|tool| &*tool.name).collect();
    assert_eq!(names, ["weather", "sum-up", "close"]);
    let copy = weather;
    assert_eq!(format!("{copy:?}"), "weather");
}
