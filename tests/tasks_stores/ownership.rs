//! Whose a document is: what another file, or the application, has written is not taken for the file's own.

use crate::fixtures::{USERS, all, write};
use crate::store::Store;
use dbreg::mongodb::bson::{Document, doc};
use dbreg::tasks::Verb;

#[tokio::test]
async fn a_document_of_somebody_else_is_not_replaced() {
    let store = Store::start().await;
    let theirs = doc! { "_id": 7, "name": "not ours" };
    store
        .db
        .collection::<Document>("users")
        .insert_one(theirs.clone())
        .await
        .unwrap();
    write(&store);
    for replace in [false, true] {
        let failed = store
            .project
            .failed_with(Verb::Fill, |tasks| tasks.replace(replace))
            .await;
        assert!(
            failed.starts_with(
                "fixtures/mongodb.logs/00_users.toml:5:1: the `_id` 7 of `users` is there already"
            ),
            "{failed}"
        );
    }
    // No waiting helps.
    assert_eq!(
        store.project.run(Verb::Fill).await.exit_code(),
        dbreg::EXIT_CONFIG
    );
    assert_eq!(all(&store).await, [theirs]);
}

/// Fills all files again.
async fn replace(store: &Store) {
    store
        .project
        .done_with(Verb::Fill, |tasks| tasks.replace(true))
        .await;
}

/// As after one collection came back from a dump, and the records of fixtures did not.
#[tokio::test]
async fn documents_whose_record_is_gone_are_not_taken_for_the_files_own() {
    let store = Store::start().await;
    write(&store);
    store.project.done(Verb::Fill).await;
    for own in ["_dbreg_fixtures", "_dbreg_fixture_documents"] {
        store.db.collection::<Document>(own).drop().await.unwrap();
    }
    let users = store.db.collection::<Document>("users");
    let change = doc! { "$set": { "password": "set by the user" } };
    users.update_many(doc! {}, change).await.unwrap();
    let before = all(&store).await;
    for replace in [false, true] {
        let failed = store
            .project
            .failed_with(Verb::Fill, |tasks| tasks.replace(replace))
            .await;
        assert!(failed.contains("00_users.toml:1:1: the `_id` "), "{failed}");
        assert!(failed.contains("is there already"), "{failed}");
        assert_eq!(all(&store).await, before);
    }
}

/// A unique index of the application's refuses the second; the third was never sent.
#[tokio::test]
async fn what_a_file_did_not_write_is_not_taken_away_with_it() {
    let store = Store::start().await;
    let users = store.db.collection::<Document>("users");
    let theirs = doc! { "_id": 100, "name": "Bob" };
    users.insert_one(theirs.clone()).await.unwrap();
    let index = mongodb_index("name");
    users.create_index(index).await.unwrap();
    let text = "[[users]]\n_id = 1\nname = \"Alice\"\n[[users]]\n_id = 2\nname = \"Bob\"\n[[users]]\n_id = 3\nname = \"Carl\"\n";
    store.project.write("fixtures/mongodb.logs/1-a.toml", text);
    let failed = store.project.failed(Verb::Fill).await;
    assert!(failed.contains("1-a.toml:4:1: "), "{failed}");
    assert_eq!(store.documents("users").await, [theirs]);
    assert!(store.documents("_dbreg_fixture_documents").await.is_empty());
}

fn mongodb_index(field: &str) -> dbreg::mongodb::IndexModel {
    let options = dbreg::mongodb::options::IndexOptions::builder().unique(true);
    dbreg::mongodb::IndexModel::builder()
        .keys(doc! { field: 1 })
        .options(options.build())
        .build()
}

#[tokio::test]
async fn a_label_that_moves_to_another_file_takes_its_document_along() {
    let store = Store::start().await;
    let file = |name: &str, users: &[&str]| {
        let rows = users
            .iter()
            .map(|user| format!("[users.{user}]\nname = \"{user}\"\n"));
        let path = format!("fixtures/mongodb.logs/{name}.toml");
        store.project.write(&path, &rows.collect::<String>());
    };
    file("10-a", &["alice", "bob"]);
    file("20-b", &["carl"]);
    store.project.done(Verb::Fill).await;
    let carl = store.document("users", doc! { "name": "carl" }).await;
    file("10-a", &["alice", "bob", "carl"]);
    file("20-b", &["dora"]);
    let before = all(&store).await;
    let failed = store.project.failed(Verb::Fill).await;
    assert!(failed.contains("was changed since"), "{failed}");
    assert_eq!(all(&store).await, before);
    for _ in 0..2 {
        replace(&store).await;
        let found = store.documents("users").await;
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found.contains(&carl));
    }
    // The files as they were: neither is what it was filled from any more.
    file("10-a", &["alice", "bob"]);
    file("20-b", &["carl"]);
    let failed = store.project.failed(Verb::Fill).await;
    assert!(failed.contains("was changed since"), "{failed}");
    for _ in 0..2 {
        replace(&store).await;
        let found = store.documents("users").await;
        assert!(found.len() == 3 && found.contains(&carl), "{found:?}");
    }
    file("10-a", &["alice", "bob", "carl"]);
    file("20-b", &["dora"]);
    replace(&store).await;
    // The one that it was taken from is known to have lost it, also where that one is gone and comes back.
    store.project.remove("fixtures/mongodb.logs/20-b.toml");
    file("10-a", &["alice", "bob", "carl", "dora"]);
    replace(&store).await;
    file("10-a", &["alice", "bob", "carl"]);
    replace(&store).await;
    file("20-b", &["dora"]);
    let failed = store.project.failed(Verb::Fill).await;
    assert!(
        failed.contains("`20-b.toml` was filled") && failed.contains("was changed since"),
        "{failed}"
    );
    replace(&store).await;
    assert_eq!(store.documents("users").await.len(), 4);
    // Into a file that is new: without `--replace` it is told before anything is written.
    file("05-c", &["bob"]);
    file("10-a", &["alice", "carl"]);
    let before = all(&store).await;
    let failed = store.project.failed(Verb::Fill).await;
    assert!(
        failed.contains("05-c.toml:1:1: the row with this label was filled by `mongodb.logs/10-a.toml`"),
        "{failed}"
    );
    assert_eq!(all(&store).await, before);
    replace(&store).await;
    assert_eq!(store.documents("users").await.len(), 4);
}

#[tokio::test]
async fn a_file_that_got_another_name_and_other_rows_takes_its_labels_along() {
    let store = Store::start().await;
    write(&store);
    store.project.done(Verb::Fill).await;
    let before = all(&store).await;
    store.project.remove("fixtures/mongodb.logs/00_users.toml");
    let users = format!(
        "[users.carol]\nname = \"Carol\"\n{}",
        USERS.replace("_id = 7\n", "")
    );
    store
        .project
        .write("fixtures/mongodb.logs/05_people.toml", &users);
    let failed = store.project.failed(Verb::Fill).await;
    assert!(
        failed.ends_with(
            "05_people.toml:3:1: the row with this label was filled by `mongodb.logs/00_users.toml`; \
             `fill --replace` moves it here"
        ),
        "{failed}"
    );
    assert_eq!(all(&store).await, before);
    for _ in 0..2 {
        replace(&store).await;
        assert_eq!(store.documents("users").await.len(), 3);
        // What refers to one that has another `_id` now follows.
        let bob = store.document("users", doc! { "name": "Bob" }).await;
        let post = store.document("posts", doc! { "n": 1 }).await;
        assert_eq!(post.get("author"), bob.get("_id"));
    }
}
