//! Answers and the requirements that they answer, as they are and changed by chance: whatever comes
//! from a file, a person or a journal is taken or refused, in bounded work.
//!
//! The seeds are files, `fuzz/corpus/answer`: one that made trouble once is one more of them.

use serde_json::{Value, json};
use std::path::Path;
use stepwright_core::form::{self, MISTAKES_MAX, mistakes};
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, Requirement};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/answer");

/// The number of times that each seed is changed.
const CHANGES: u64 = 200;

/// SplitMix64: the same seeds are changed in the same way each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

fn seeds() -> Vec<(String, Value)> {
    let mut seeds: Vec<_> = std::fs::read_dir(Path::new(CORPUS))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, serde_json::from_str(&text).unwrap())
        })
        .collect();
    seeds.sort_by(|one, other| one.0.cmp(&other.0));
    seeds
}

/// Takes or refuses an answer. `None` if that is no requirement, or no answer.
fn judged(pair: &Value) -> Option<Result<(), String>> {
    let asked: Requirement = serde_json::from_value(pair["requirement"].clone()).ok()?;
    let given: Answer = serde_json::from_value(pair["answer"].clone()).ok()?;
    if let RequirementKind::UserInput { schema } | RequirementKind::Wait { schema: Some(schema) } =
        &asked.kind
    {
        assert!(form::passed_over(schema).len() <= MISTAKES_MAX);
        let value = if let Answer::Submit { value } = &given { value.clone() } else { json!(null) };
        assert!(mistakes(schema, &value).len() <= MISTAKES_MAX);
    }
    if let Some(otherwise) = asked.at_timeout() {
        let _ = asked.check(&otherwise);
    }
    // The written form is read again as it was.
    let written = serde_json::to_value(&asked).unwrap();
    assert_eq!(serde_json::from_value::<Requirement>(written).unwrap(), asked);
    let checked = asked.check(&given);
    match &checked {
        Ok(()) => assert!(asked.answers().contains(&given.word())),
        Err(why) => assert!(!why.is_empty()),
    }
    Some(checked)
}

/// All values in a value, itself included, by their pointers.
fn all(value: &Value, at: &str, found: &mut Vec<(String, Value)>) {
    found.push((at.to_owned(), value.clone()));
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                all(member, &format!("{at}/{key}"), found);
            }
        }
        Value::Array(elements) => {
            for (place, element) in elements.iter().enumerate() {
                all(element, &format!("{at}/{place}"), found);
            }
        }
        _ => {}
    }
}

/// A value with one of its parts replaced by a part of another, or by something extreme.
fn exchanged(value: &Value, pool: &[(String, Value)], random: &mut Random) -> Value {
    let mut parts = Vec::new();
    all(value, "", &mut parts);
    let place = random.of(&parts).0.clone();
    let extremes = [
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e308),
        json!(-0.0),
        json!(""),
        json!("\u{0}\u{10ffff}"),
        json!("a".repeat(10_000)),
        json!([[[[[[[[]]]]]]]]),
        json!({"$ref": "#"}),
        json!({"$ref": "#/a~1b"}),
        Value::Null,
    ];
    let part = match random.below(3) {
        0 => random.of(&extremes).clone(),
        _ => random.of(pool).1.clone(),
    };
    let mut changed = value.clone();
    if let Some(there) = changed.pointer_mut(&place) {
        *there = part;
    }
    changed
}

/// A text with some of its bytes changed, left out or repeated.
fn scratched(text: &str, random: &mut Random) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(16)).min(bytes.len());
        match random.below(4) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => bytes.insert(at, *random.of(b"{}[]\":,0-eE.\\u\xff\x00")),
        }
        if bytes.is_empty() {
            bytes.push(b'0');
        }
    }
    bytes
}

#[test]
fn every_seed_is_a_requirement_and_an_answer() {
    let seeds = seeds();
    assert!(seeds.len() >= 20);
    for (name, pair) in seeds {
        assert!(judged(&pair).is_some(), "{name}");
    }
}

#[test]
fn changed_answers_are_taken_or_refused_and_nothing_breaks() {
    let seeds = seeds();
    let mut pool = Vec::new();
    for (_, pair) in &seeds {
        all(pair, "", &mut pool);
    }
    let (mut taken, mut refused) = (0, 0);
    for (nth, (_, pair)) in seeds.iter().enumerate() {
        let mut random = Random(nth as u64);
        let text = pair.to_string();
        for change in 0..CHANGES {
            let changed = if change % 2 == 0 {
                let mut changed = exchanged(pair, &pool, &mut random);
                for _ in 0..random.below(3) {
                    changed = exchanged(&changed, &pool, &mut random);
                }
                Some(changed)
            } else {
                serde_json::from_slice(&scratched(&text, &mut random)).ok()
            };
            match changed.as_ref().and_then(judged) {
                Some(Ok(())) => taken += 1,
                Some(Err(_)) => refused += 1,
                None => {}
            }
        }
    }
    // The changes are worth their name.
    assert!(taken > 100 && refused > 50, "{taken} taken, {refused} refused");
}

/// Each alternative refers to the whole, so that there are more ways than anything can try.
#[test]
fn a_form_of_alternatives_that_refer_to_itself_takes_bounded_work() {
    let ways: Vec<Value> = (0..50).map(|_| json!({"$ref": "#"})).collect();
    for keyword in ["anyOf", "oneOf"] {
        let schema = json!({keyword: ways, "const": 1});
        let found = mistakes(&schema, &json!(2));
        assert_eq!(found, ["the schema and the value are nested deeper than 256"]);
    }
    // A value that is large and plain is compared whole.
    let schema = json!({"type": "array", "items": {"type": "integer"}});
    assert!(mistakes(&schema, &json!(vec![1; 50_000])).is_empty());
}
