//! Memories of users, as clients of `AgentOS` reach them.

use crate::client::{Answer, Client};
use crate::keys::key;
use crate::world::World;
use http::Method;
use serde_json::{Value, json};
use stepwright_core::{AnyStore, Memory};
use stepwright_engine::Runs;
use stepwright_server::{ApiKeys, Role};

async fn added(client: &Client, memory: &str, user: &str, topics: &[&str]) -> String {
    let body = json!({"memory": memory, "user_id": user, "topics": topics});
    let made = client.post("/memories", body).await;
    assert_eq!(made.status, 200, "{made:?}");
    made.json()["memory_id"].as_str().unwrap().to_owned()
}

async fn sent(client: &Client, method: Method, path: &str, body: Value) -> u16 {
    let client = client.with("content-type", "application/json");
    client.send(method, path, body.to_string()).await.status().as_u16()
}

fn texts(listed: &Answer) -> Vec<String> {
    let data = listed.json()["data"].as_array().unwrap().clone();
    data.iter().map(|memory| memory["memory"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn memories_are_added_listed_changed_and_deleted_as_in_agentos() {
    let world = World::start();
    let client = &world.client;
    let tea = added(client, "Drinks tea.", "ada", &["food", "drinks"]).await;
    let train = added(client, "Travels by train.", "ada", &["travel"]).await;
    let car = added(client, "Travels by car.", "ben", &["travel"]).await;
    let of_ada = client.get("/memories?user_id=ada&sort_by=memory&sort_order=asc").await;
    assert_eq!(texts(&of_ada), ["Drinks tea.", "Travels by train."]);
    let page = client.get("/memories?sort_by=memory&sort_order=asc&limit=2&page=2").await;
    assert_eq!(texts(&page), ["Travels by train."], "of all users");
    assert_eq!(page.json()["meta"]["total_count"], 3);
    assert_eq!(page.json()["meta"]["total_pages"], 2);
    assert_eq!(texts(&client.get("/memories?topics=drinks,travel&user_id=ada").await).len(), 2);
    assert_eq!(texts(&client.get("/memories?search_content=TEA").await), ["Drinks tea."]);
    assert!(texts(&client.get("/memories?agent_id=writer").await).is_empty());

    let one = client.get(&format!("/memories/{tea}")).await.json();
    assert_eq!((&one["user_id"], &one["topics"]), (&json!("ada"), &json!(["food", "drinks"])));
    assert!(one["updated_at"].as_str().unwrap().ends_with('Z') && one["agent_id"].is_null());
    let path = format!("/memories/{tea}");
    assert_eq!(client.get(&format!("{path}?user_id=ben")).await.status, 404);
    let change = json!({"memory": "Drinks coffee.", "user_id": "ada"});
    assert_eq!(sent(client, Method::PATCH, &path, change.clone()).await, 200);
    let changed = client.get(&path).await.json();
    let now = (&changed["memory"], &changed["topics"]);
    assert_eq!(now, (&json!("Drinks coffee."), &json!([])));
    assert_eq!(sent(client, Method::PATCH, "/memories/m-none", change).await, 404);

    assert_eq!(client.get("/memory_topics").await.json(), json!(["travel"]));
    let stats = client.get("/user_memory_stats?limit=1").await.json();
    assert_eq!(stats["data"][0]["user_id"], "ada", "the last change comes first: {stats}");
    assert_eq!(stats["data"][0]["total_memories"], 2);
    assert_eq!(stats["meta"]["total_count"], 2);
    assert_eq!(
        client.get("/user_memory_stats?user_id=ben").await.json()["data"][0]["user_id"],
        "ben"
    );

    assert_eq!(sent(client, Method::DELETE, &format!("/memories/{train}"), json!({})).await, 204);
    assert_eq!(sent(client, Method::DELETE, "/memories/m-none", json!({})).await, 204);
    let many = json!({"memory_ids": [tea, car], "user_id": "ada"});
    assert_eq!(sent(client, Method::DELETE, "/memories", many).await, 204);
    assert_eq!(texts(&client.get("/memories").await), ["Travels by car."], "it is not Ada's");
    world.end().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_memory_is_told() {
    let world = World::start();
    let client = &world.client;
    let none = client.post("/memories", json!({"user_id": "ada"})).await;
    assert_eq!(none.json()["detail"][0]["loc"], json!(["body", "memory"]));
    let whose = client.post("/memories", json!({"memory": "Drinks tea."})).await;
    assert_eq!(
        (whose.status.as_u16(), &whose.json()["detail"]),
        (400, &json!("User ID is required"))
    );
    let empty = client.post("/memories", json!({"memory": " ", "user_id": "ada"})).await;
    assert_eq!(
        (empty.status.as_u16(), &empty.json()["detail"]),
        (400, &json!("the memory is empty"))
    );
    assert_eq!(sent(client, Method::DELETE, "/memories", json!({"memory_ids": []})).await, 422);
    assert_eq!(client.get("/memories?limit=0").await.status, 422);
    assert_eq!(client.get("/memories?db_id=other").await.status, 404);
    world.end().await;
}

#[tokio::test]
async fn a_key_of_a_user_reaches_the_memories_of_that_user_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let keys = ApiKeys::in_file(&path);
    let key = |user| key(&keys, Role::Admin, Some(user));
    let store = Memory::default();
    let world = World::with(store.clone(), |server| server.keys(&path));
    let (anna, ben) = (world.client.with_key(&key("anna")), world.client.with_key(&key("ben")));
    let hers = added(&anna, "Likes boats.", "anna", &["water"]).await;
    // The key decides about the user, and not the body.
    added(&ben, "Likes hills.", "anna", &["land"]).await;
    let all = |user: &'static str| {
        let runs = Runs::of(AnyStore::new(store.clone()));
        async move {
            let all = runs.memories(user).unwrap().list().await.unwrap();
            all.iter().map(|memory| memory.memory.to_string()).collect::<Vec<_>>()
        }
    };
    assert_eq!(
        (all("anna").await, all("ben").await),
        (vec!["Likes boats.".to_owned()], vec!["Likes hills.".to_owned()],)
    );
    for query in ["", "?user_id=anna"] {
        assert_eq!(texts(&ben.get(&format!("/memories{query}")).await), ["Likes hills."]);
        assert_eq!(ben.get(&format!("/memory_topics{query}")).await.json(), json!(["land"]));
        let stats = ben.get(&format!("/user_memory_stats{query}")).await.json();
        assert_eq!(
            (&stats["data"][0]["user_id"], &stats["meta"]["total_count"]),
            (&json!("ben"), &json!(1))
        );
        let path = format!("/memories/{hers}{query}");
        assert_eq!(ben.get(&path).await.status, 404);
        let change = json!({"memory": "Stolen.", "user_id": "anna"});
        assert_eq!(sent(&ben, Method::PATCH, &path, change).await, 404);
        assert_eq!(sent(&ben, Method::DELETE, &path, json!({})).await, 204, "as of unknown ids");
    }
    let many = json!({"memory_ids": [hers], "user_id": "anna"});
    assert_eq!(sent(&ben, Method::DELETE, "/memories", many).await, 204);
    assert_eq!(all("anna").await, ["Likes boats."]);
    world.end().await;
}
