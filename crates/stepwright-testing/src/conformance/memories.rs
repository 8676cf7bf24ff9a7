//! Memories of users.

use super::{Outcome, TestRun, cases, same, samples, user_id, wants};
use std::sync::Arc;
use stepwright_core::store::{
    MEMORIES_MAX, MemoryChange, MemoryFilter, MemoryUpdate, MemoryUser, UserMemory,
};
use stepwright_core::{RunId, Store, StoreError, Timestamp};

cases![
    a_memory_comes_back_as_it_was_stored,
    changes_made_twice_are_made_once,
    no_user_reaches_the_memories_of_another,
    the_last_changed_come_first,
    users_with_memories_are_listed,
    a_restored_memory_is_as_it_was_unless_it_was_changed_since,
    too_many_memories_are_refused_and_change_nothing,
    memories_outlive_sessions_and_runs,
];

fn add(id: &str, memory: &str) -> MemoryChange {
    let (memory_id, memory) = (id.into(), memory.into());
    MemoryChange::Add { memory_id, memory, topics: Vec::new() }
}

fn remove(id: &str) -> MemoryChange {
    MemoryChange::Remove { memory_id: id.into() }
}

async fn change(
    store: &dyn Store,
    user: &str,
    at: u64,
    changes: Vec<MemoryChange>,
) -> Result<u64, StoreError> {
    store.update_memories(MemoryUpdate::new(user_id(user), changes, Timestamp(at))).await
}

async fn all(store: &dyn Store, user: &str) -> Result<Vec<UserMemory>, StoreError> {
    store.memories(MemoryFilter::of(user_id(user))).await
}

fn ids(memories: &[UserMemory]) -> Vec<Arc<str>> {
    memories.iter().map(|memory| memory.memory_id.clone()).collect()
}

async fn a_memory_comes_back_as_it_was_stored(store: &dyn Store) -> Outcome {
    let run = RunId::new("r-7").ok();
    let changes = vec![MemoryChange::Add {
        memory_id: "m-1".into(),
        memory: samples::TEXT.into(),
        topics: vec![samples::TEXT.into(), "food".into()],
    }];
    let update =
        MemoryUpdate { user_id: user_id("anna"), run_id: run.clone(), changes, at: Timestamp(7) };
    same("the number of changes", store.update_memories(update).await?, 1)?;
    let wanted = UserMemory {
        memory_id: "m-1".into(),
        user_id: user_id("anna"),
        memory: samples::TEXT.into(),
        topics: vec![samples::TEXT.into(), "food".into()],
        run_id: run,
        created_at: Timestamp(7),
        updated_at: Timestamp(7),
    };
    same("the memory", all(store, "anna").await?, vec![wanted.clone()])?;
    let edit =
        MemoryChange::Edit { memory_id: "m-1".into(), memory: "Likes tea.".into(), topics: None };
    same("an edit", change(store, "anna", 9, vec![edit]).await?, 1)?;
    let edited = UserMemory {
        memory: "Likes tea.".into(),
        run_id: None,
        updated_at: Timestamp(9),
        ..wanted
    };
    same("the edited memory", all(store, "anna").await?, vec![edited])
}

async fn changes_made_twice_are_made_once(store: &dyn Store) -> Outcome {
    let changes = || vec![add("m-1", "Likes tea."), add("m-2", "Likes rain."), remove("m-9")];
    same("the changes", change(store, "anna", 7, changes()).await?, 2)?;
    let before = all(store, "anna").await?;
    same("the same changes", change(store, "anna", 9, changes()).await?, 0)?;
    same("the memories", all(store, "anna").await?, before)?;
    let edit = MemoryChange::Edit { memory_id: "m-9".into(), memory: "None.".into(), topics: None };
    same("an edit of nothing", change(store, "anna", 9, vec![edit]).await?, 0)?;
    same("a removal", change(store, "anna", 9, vec![remove("m-1")]).await?, 1)?;
    same("the removal again", change(store, "anna", 9, vec![remove("m-1")]).await?, 0)?;
    same("what is left", ids(&all(store, "anna").await?), vec!["m-2".into()])
}

async fn no_user_reaches_the_memories_of_another(store: &dyn Store) -> Outcome {
    change(store, "anna", 7, vec![add("m-1", "Likes tea.")]).await?;
    let edit =
        MemoryChange::Edit { memory_id: "m-1".into(), memory: "Stolen.".into(), topics: None };
    same("an edit by another", change(store, "ben", 8, vec![edit]).await?, 0)?;
    same("a removal by another", change(store, "ben", 8, vec![remove("m-1")]).await?, 0)?;
    same("one of the same id", change(store, "ben", 8, vec![add("m-1", "Own.")]).await?, 1)?;
    let texts = |memories: Vec<UserMemory>| -> Vec<Arc<str>> {
        memories.into_iter().map(|memory| memory.memory).collect()
    };
    same("Anna's", texts(all(store, "anna").await?), vec!["Likes tea.".into()])?;
    same("Ben's", texts(all(store, "ben").await?), vec!["Own.".into()])?;
    same("those of others", all(store, "an").await?, Vec::new())
}

async fn the_last_changed_come_first(store: &dyn Store) -> Outcome {
    for (at, id) in [(3, "m-b"), (1, "m-c"), (3, "m-a"), (2, "m-d")] {
        change(store, "anna", at, vec![add(id, "Some.")]).await?;
    }
    let order = ["m-a", "m-b", "m-d", "m-c"].map(Arc::from);
    same("the order", ids(&all(store, "anna").await?), order.to_vec())?;
    let page = MemoryFilter { limit: 2, offset: 1, ..MemoryFilter::of(user_id("anna")) };
    same("a page", ids(&store.memories(page).await?), order[1..3].to_vec())
}

async fn users_with_memories_are_listed(store: &dyn Store) -> Outcome {
    same("the users of none", store.memory_users(0, 0).await?, Vec::new())?;
    for (at, user, id) in [(3, "anna", "m-1"), (9, "ben", "m-1"), (5, "anna", "m-2")] {
        change(store, user, at, vec![add(id, "Some.")]).await?;
    }
    change(store, "cora", 7, vec![add("m-1", "Some.")]).await?;
    let user = |user: &str, memories, at| MemoryUser {
        user_id: user_id(user),
        memories,
        updated_at: Timestamp(at),
    };
    let wanted = [user("ben", 1, 9), user("cora", 1, 7), user("anna", 2, 5)];
    same("the users", store.memory_users(0, 0).await?, wanted.to_vec())?;
    same("a page of them", store.memory_users(1, 1).await?, wanted[1..2].to_vec())?;
    change(store, "cora", 8, vec![remove("m-1")]).await?;
    let left = vec![wanted[0].clone(), wanted[2].clone()];
    same("the users that have memories left", store.memory_users(0, 0).await?, left)
}

async fn a_restored_memory_is_as_it_was_unless_it_was_changed_since(store: &dyn Store) -> Outcome {
    let restored = |memory: &str| MemoryChange::Restore {
        memory_id: "m-1".into(),
        memory: memory.into(),
        topics: vec!["food".into()],
        created_at: Timestamp(3),
    };
    same("a restored memory", change(store, "anna", 7, vec![restored("Old.")]).await?, 1)?;
    same("the same again", change(store, "anna", 7, vec![restored("Old.")]).await?, 0)?;
    let memory = all(store, "anna").await?.remove(0);
    same("its times", (memory.created_at, memory.updated_at), (Timestamp(3), Timestamp(7)))?;
    same("a newer one", change(store, "anna", 9, vec![restored("New.")]).await?, 1)?;
    same("an older one", change(store, "anna", 8, vec![restored("Old.")]).await?, 0)?;
    let memory = all(store, "anna").await?.remove(0);
    same("the newer memory", (&*memory.memory, memory.updated_at), ("New.", Timestamp(9)))
}

async fn too_many_memories_are_refused_and_change_nothing(store: &dyn Store) -> Outcome {
    let many = (0..MEMORIES_MAX).map(|nth| add(&format!("m-{nth}"), "Some.")).collect();
    change(store, "anna", 7, many).await?;
    let more = vec![remove("m-1"), add("m-x", "One."), add("m-y", "More.")];
    wants!(
        "too many",
        change(store, "anna", 8, more).await,
        Err(StoreError::Unavailable { id: stepwright_core::ErrorId::MEMORIES_FULL, .. })
    );
    let kept = all(store, "anna").await?;
    same("the number of memories", kept.len(), MEMORIES_MAX)?;
    same("whether one was removed", kept.iter().any(|it| &*it.memory_id == "m-1"), true)
}

async fn memories_outlive_sessions_and_runs(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s").user("anna");
    run.begin().await?;
    change(store, "anna", 7, vec![add("m-1", "Likes tea.")]).await?;
    store.delete_session(&super::session_id("s")).await?;
    same("the memories", ids(&all(store, "anna").await?), vec!["m-1".into()])
}
