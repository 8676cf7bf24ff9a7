//! Values that the processes of a store share.

use super::{Outcome, cases, same};
use std::sync::Arc;
use stepwright_core::Store;
use stepwright_core::store::ValueChange;

cases![
    a_value_changes_only_from_the_version_that_was_seen,
    of_many_changes_at_once_one_takes_effect,
    values_are_listed_by_kind_in_the_order_of_their_keys,
];

/// A key with every kind of character that a store may meet.
const KEY: &str = "wörk/a'\"%_\\ \u{1f600}";

fn change(key: &str, value: Option<&str>, seen: Option<i64>, version: i64) -> ValueChange {
    let value = value.map(Arc::from);
    ValueChange { kind: "test".into(), key: key.into(), value, seen, version }
}

async fn stored(
    store: &dyn Store,
    key: &str,
) -> Result<Option<(String, i64)>, super::Nonconformance> {
    let found = store.shared_value("test", key).await?;
    Ok(found.map(|found| (found.value.to_string(), found.version)))
}

async fn a_value_changes_only_from_the_version_that_was_seen(store: &dyn Store) -> Outcome {
    same("nothing", stored(store, KEY).await?, None)?;
    same("absent", store.change_value(change(KEY, None, None, 1)).await?, true)?;
    same("too early", store.change_value(change(KEY, Some("{}"), Some(1), 2)).await?, false)?;
    let value = "{\"a\":\"\\u0000\u{1f600}\"}";
    same("first", store.change_value(change(KEY, Some(value), None, i64::MAX)).await?, true)?;
    same("stored", stored(store, KEY).await?, Some((value.to_owned(), i64::MAX)))?;
    same("second", store.change_value(change(KEY, Some("1"), None, 4)).await?, false)?;
    let next = change(KEY, Some("2"), Some(i64::MAX), i64::MIN);
    same("next", store.change_value(next.clone()).await?, true)?;
    same("again", store.change_value(next).await?, false)?;
    same("late", store.change_value(change(KEY, None, Some(4), 5)).await?, false)?;
    same("kept", stored(store, KEY).await?, Some(("2".to_owned(), i64::MIN)))?;
    same("deleted", store.change_value(change(KEY, None, Some(i64::MIN), 6)).await?, true)?;
    same("gone", stored(store, KEY).await?, None)
}

async fn of_many_changes_at_once_one_takes_effect(store: &dyn Store) -> Outcome {
    store.change_value(change(KEY, Some("0"), None, 1)).await?;
    let changes = (2..20).map(|nth| store.change_value(change(KEY, Some("1"), Some(1), nth)));
    let changed = futures_util::future::try_join_all(changes).await?;
    same("the changes that took effect", changed.iter().filter(|&&done| done).count(), 1)
}

async fn values_are_listed_by_kind_in_the_order_of_their_keys(store: &dyn Store) -> Outcome {
    for (nth, key) in ["b", "B", "c", "ä", "a"].into_iter().enumerate() {
        let version = i64::try_from(nth).unwrap_or_default();
        store.change_value(change(key, Some("0"), None, version)).await?;
    }
    let other = ValueChange { kind: "tesu".into(), ..change("a", Some("0"), None, 1) };
    store.change_value(other).await?;
    let mut keys = Vec::new();
    let mut after = String::new();
    loop {
        let page = store.shared_values("test", &after, 2).await?;
        let Some(last) = page.last() else { break };
        after = last.key.to_string();
        keys.extend(page.iter().map(|value| value.key.to_string()));
    }
    same("the keys", keys, ["B", "a", "b", "c", "ä"].map(str::to_owned).to_vec())
}
