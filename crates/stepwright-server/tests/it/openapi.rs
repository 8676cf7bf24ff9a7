//! The document of the API, and what is made of it.

use serde_json::Value;
use stepwright_server::Server;

/// Texts, of which no types are made. As in `web/dev/types.mjs`.
const TEXTS: [&str; 6] = ["description", "summary", "info", "tags", "security", "securitySchemes"];

/// Returns the parts of a document that types are made of. With `named`, the names of the members
/// are chosen by us, so that one may be `description`.
fn shape(value: &Value, named: bool) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| shape(item, false)).collect(),
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, _)| named || !TEXTS.contains(&&***name));
            let names = |name: &str| matches!(name, "properties" | "schemas" | "paths");
            kept.map(|(name, inner)| (name.clone(), shape(inner, !named && names(name)))).collect()
        }
        other => other.clone(),
    }
}

#[test]
fn the_types_of_the_page_are_made_of_the_document_as_it_is() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/dev/openapi.json");
    let copy: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let is_current = shape(&Server::openapi(), false) == copy;
    assert!(
        is_current,
        "web/dev/openapi.json is another document: start `stepwright serve --demo`, run \
         `node web/dev/types.mjs http://127.0.0.1:7777/v1/openapi.json`, and build the page"
    );
}
