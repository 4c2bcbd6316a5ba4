//! Fixtures of MongoDB that were renamed.

use crate::fixtures::{POSTS, USERS, write};
use crate::store::Store;
use dbreg::mongodb::bson::doc;
use dbreg::tasks::Verb;

#[tokio::test]
async fn a_file_that_was_renamed_is_the_same_file() {
    let store = Store::start().await;
    write(&store);
    store.project.done(Verb::Fill).await;
    let documents = async |collection| store.documents(collection).await;
    let before = [documents("users").await, documents("posts").await];
    for (old, new, text) in [
        ("00_users.toml", "05-people.toml", USERS),
        ("10-posts.json", "15-posts.json", POSTS),
    ] {
        store.project.remove(&format!("fixtures/mongodb.logs/{old}"));
        store.project.write(&format!("fixtures/mongodb.logs/{new}"), text);
    }
    let plan = store.project.tasks().build().unwrap().plan(Verb::Fill).await;
    assert!(plan.to_string().contains("05-people.toml` was filled"), "{plan}");
    let failed = store.project.failed(Verb::Fill).await;
    assert!(failed.contains("`15-posts.json` was filled"), "{failed}");
    assert_eq!([documents("users").await, documents("posts").await], before);
    // From now on it has this name, whatever it says.
    let users = USERS.replace("Alice", "Alicia");
    store
        .project
        .write("fixtures/mongodb.logs/05-people.toml", &users);
    let failed = store.project.failed(Verb::Fill).await;
    assert!(failed.contains("and was changed since"), "{failed}");
    let replaced = store
        .project
        .done_with(Verb::Fill, |tasks| tasks.replace(true))
        .await;
    assert_eq!(replaced, "filled 3 files");
    assert_eq!(documents("users").await.len(), 2);
    assert_eq!(documents("posts").await.len(), 2);
    let names = documents("_dbreg_fixtures").await;
    let names: Vec<&str> = names.iter().map(|file| file.get_str("_id").unwrap()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names.contains(&"mongodb.logs/05-people.toml"), "{names:?}");
}

#[tokio::test]
async fn another_file_may_have_the_name_that_one_had_before() {
    let store = Store::start().await;
    let file = |name: &str, rows: &str| {
        store
            .project
            .write(&format!("fixtures/mongodb.logs/{name}"), rows)
    };
    let rows = |n: u32| format!("[[events]]\nn = {n}\n[[events]]\nn = {}\n", n + 1);
    file("10-events.toml", &rows(1));
    store.project.done(Verb::Fill).await;
    let before = store.documents("events").await;
    store.project.remove("fixtures/mongodb.logs/10-events.toml");
    file("20-events.toml", &rows(1));
    store.project.done(Verb::Build).await;
    file("10-events.toml", &rows(3));
    assert_eq!(
        store.project.done(Verb::Fill).await,
        "filled 1 file; 1 file filled before"
    );
    let all = store.documents("events").await;
    assert_eq!(all.len(), 4);
    assert!(before.iter().all(|event| all.contains(event)), "{all:?}");
    for _ in 0..2 {
        let replaced = store
            .project
            .done_with(Verb::Fill, |tasks| tasks.replace(true))
            .await;
        assert_eq!(replaced, "filled 2 files");
        assert_eq!(
            store.documents("events").await,
            all,
            "each has the `_id` that it had"
        );
    }
}

#[tokio::test]
async fn what_broke_off_is_taken_away_under_its_new_name() {
    let store = Store::start().await;
    let name = |name: &str| format!("fixtures/mongodb.logs/{name}");
    let rows = "[[events]]\nn = 1\n[[events]]\nn = 2\n";
    store.project.write(&name("1-a.toml"), rows);
    store.project.done(Verb::Fill).await;
    // As a crash leaves it: begun, and one document written.
    let files = store
        .db
        .collection::<dbreg::mongodb::bson::Document>("_dbreg_fixtures");
    let begun = doc! { "$set": { "state": "filling" } };
    files.update_one(doc! {}, begun).await.unwrap();
    let events = store.db.collection::<dbreg::mongodb::bson::Document>("events");
    events.delete_one(doc! { "n": 2 }).await.unwrap();
    store.project.remove(&name("1-a.toml"));
    store.project.write(&name("2-a.toml"), rows);
    assert_eq!(store.project.done(Verb::Fill).await, "filled 1 file");
    assert_eq!(store.documents("events").await.len(), 2);
}
