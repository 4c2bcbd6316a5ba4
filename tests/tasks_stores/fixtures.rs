//! Fixtures of MongoDB, and what empties a database.

use crate::project::Project;
use crate::store::Store;
use dbreg::mongodb::bson::{Bson, Document, doc};
use dbreg::tasks::Verb;

pub(crate) const USERS: &str = "[users.alice]\nname = \"Alice\"\nborn = 1990-05-01T00:00:00Z\naddress = { city = \"Berlin\" }\n\
                     [users.bob]\n_id = 7\nname = \"Bob\"\nfriends = [{ id = { ref = \"users.alice\" } }]\n";
pub(crate) const POSTS: &str = r#"{ "posts": [
    { "_id": { "$oid": "65a000000000000000000001" }, "author": { "ref": "users.alice" }, "city": { "ref": "users.alice#address.city" } },
    { "author": { "ref": "users.bob" }, "at": { "$date": "2024-01-31T00:00:00Z" }, "n": 1 }
] }"#;

pub(crate) fn write(store: &Store) {
    store.project.write("fixtures/mongodb.logs/00_users.toml", USERS);
    store.project.write("fixtures/mongodb.logs/10-posts.json", POSTS);
    store
        .project
        .write("fixtures/mongodb.logs/20-kinds.csv", "_id,name\n1,order\n2,\n");
}

pub(crate) async fn all(store: &Store) -> Vec<Document> {
    let mut all = Vec::new();
    for collection in store.collections().await {
        all.extend(store.documents(&collection).await);
    }
    all
}

#[tokio::test]
async fn documents_with_references_are_written_once() {
    let store = Store::start().await;
    write(&store);
    assert_eq!(store.project.done(Verb::Fill).await, "filled 3 files");
    let alice = store.document("users", doc! { "name": "Alice" }).await;
    let id = alice.get_object_id("_id").unwrap();
    assert_eq!(
        alice.get_datetime("born").unwrap().timestamp_millis(),
        641_520_000_000
    );
    let bob = store.document("users", doc! { "_id": 7 }).await;
    assert_eq!(
        bob.get_array("friends").unwrap(),
        &[Bson::Document(doc! { "id": id })]
    );
    let first = store.document("posts", doc! { "city": "Berlin" }).await;
    assert_eq!(first.get_object_id("author").unwrap(), id);
    assert_eq!(
        first.get_object_id("_id").unwrap().to_hex(),
        "65a000000000000000000001"
    );
    let second = store.document("posts", doc! { "n": 1 }).await;
    assert_eq!(second.get("author"), Some(&Bson::Int32(7)));
    assert_eq!(
        second.get_datetime("at").unwrap().timestamp_millis(),
        1_706_659_200_000
    );
    assert_eq!(
        store.documents("kinds").await,
        [
            doc! { "_id": 1, "name": "order" },
            doc! { "_id": 2, "name": null }
        ]
    );

    let before = all(&store).await;
    let plan = store.project.tasks().build().unwrap().plan(Verb::Fill).await;
    let details = &plan.connections[0].steps[0].details;
    let is_left = |detail: &String| detail.starts_with("leave ") && detail.contains(": filled 20");
    assert!(details.len() == 3 && details.iter().all(is_left), "{plan}");
    let failed = store.project.failed(Verb::Fill).await;
    assert!(failed.contains("`00_users.toml` was filled 20"), "{failed}");
    assert!(failed.contains("`20-kinds.csv` was filled 20"), "{failed}");
    assert_eq!(all(&store).await, before);

    // Others' documents, and what became of ours.
    store
        .db
        .collection::<Document>("users")
        .insert_one(doc! { "_id": 100 })
        .await
        .unwrap();
    store
        .db
        .collection::<Document>("users")
        .delete_one(doc! { "_id": 7 })
        .await
        .unwrap();
    let words = store
        .project
        .done_with(Verb::Fill, |tasks| tasks.replace(true))
        .await;
    assert_eq!(words, "filled 3 files");
    store
        .db
        .collection::<Document>("users")
        .delete_one(doc! { "_id": 100 })
        .await
        .unwrap();
    assert_eq!(all(&store).await, before, "the same result, to the last `_id`");

    // What is not in the file any more goes, and what is new comes.
    store
        .project
        .write("fixtures/mongodb.logs/20-kinds.csv", "_id,name\n2,visit\n3,new\n");
    let failed = store.project.failed(Verb::Fill).await;
    assert!(
        failed.contains("`20-kinds.csv` was filled 20") && failed.contains("was changed since"),
        "{failed}"
    );
    store
        .project
        .done_with(Verb::Fill, |tasks| tasks.replace(true))
        .await;
    assert_eq!(
        store.documents("kinds").await,
        [
            doc! { "_id": 2, "name": "visit" },
            doc! { "_id": 3, "name": "new" }
        ]
    );
}

#[tokio::test]
async fn a_fill_that_fails_leaves_nothing_and_can_be_run_again() {
    let store = Store::start().await;
    let index = r#"{ "createIndexes": "users", "indexes": [{ "key": { "mail": 1 }, "name": "mail", "unique": true }] }"#;
    store.project.write("migrations/mongodb.logs/1_users.json", index);
    store.project.done(Verb::Migrate).await;
    let path = "fixtures/mongodb.logs/1-users.toml";
    store.project.write(
        path,
        "[[teams]]\n[users.a]\nmail = \"x\"\n[users.b]\nmail = \"x\"\n",
    );
    let failed = store.project.failed(Verb::Fill).await;
    assert!(
        failed.starts_with("fixtures/mongodb.logs/1-users.toml:4:1: "),
        "{failed}"
    );
    assert!(all(&store).await.is_empty(), "{:?}", all(&store).await);
    assert!(store.documents("_dbreg_fixture_documents").await.is_empty());
    store.project.write(
        path,
        "[[teams]]\n[users.a]\nmail = \"x\"\n[users.b]\nmail = \"y\"\n",
    );
    store.project.done(Verb::Fill).await;
    assert_eq!(store.documents("users").await.len(), 2);
}

#[tokio::test]
async fn what_a_crash_has_left_is_taken_away_and_filled_again() {
    let store = Store::start().await;
    write(&store);
    store.project.done(Verb::Fill).await;
    let before = all(&store).await;
    // As a crash within the second file leaves it: some of its documents are missing, all are recorded.
    store
        .db
        .collection::<Document>("posts")
        .delete_one(doc! { "n": 1 })
        .await
        .unwrap();
    let files = store.db.collection::<Document>("_dbreg_fixtures");
    let crashed = doc! { "$set": { "state": "filling" } };
    files
        .update_one(doc! { "_id": "mongodb.logs/10-posts.json" }, crashed)
        .await
        .unwrap();
    assert_eq!(
        store.project.done(Verb::Fill).await,
        "filled 1 file; 2 files filled before"
    );
    assert_eq!(all(&store).await, before);
}

#[tokio::test]
async fn what_a_document_cannot_hold_is_told_by_its_line() {
    let store = Store::start().await;
    for (text, expected) in [
        (
            "[[a]]\nb = 2024-01-31\n",
            "fixtures/mongodb.logs/1-a.toml:1:1: `b`: expected a date and time with an offset, found `2024-01-31`",
        ),
        (
            "[[a]]\n[[a]]\nb = { \"$oid\" = \"x\" }\n",
            "1-a.toml:2:1: `b`: expected Extended JSON",
        ),
        (
            "[a.x]\n[[b]]\nc = { ref = \"a.x#none\" }\n",
            ":2:1: the document of `a.x` has no `none`",
        ),
        (
            "[[\"_dbreg_metadata\"]]\n",
            "1-a.toml:1:1: `_dbreg_metadata` is a collection of dbreg itself",
        ),
        (
            "[[a]]\n_id = 1\n[[a]]\n_id = 1\n",
            ":3:1: the `_id` 1 of `a` stands twice in this file",
        ),
    ] {
        store.project.write("fixtures/mongodb.logs/1-a.toml", text);
        let failed = store.project.failed(Verb::Fill).await;
        assert!(failed.contains(expected), "{failed}");
    }
    // Of all files at once, before anything is written.
    let dates = "[[a]]\nn = 1\n[[a]]\nb = 2024-01-31\nc = { d = [10:00:00] }\n";
    store
        .project
        .write("fixtures/mongodb.logs/1-a.toml", "[[a]]\nn = 1\n");
    store.project.write("fixtures/mongodb.logs/2-b.toml", dates);
    store.project.write(
        "fixtures/mongodb.logs/3-c.json",
        "{ \"a\": [{ \"b\": { \"$oid\": 7 } }] }",
    );
    for failed in [
        store.project.failed(Verb::Fill).await,
        store
            .project
            .tasks()
            .build()
            .unwrap()
            .plan(Verb::Fill)
            .await
            .to_string(),
    ] {
        for told in [
            "2-b.toml:3:1: `b`: ",
            "2-b.toml:3:1: `c`: ",
            "3-c.json:1:9: `b`: ",
        ] {
            assert!(failed.contains(told), "{told} in {failed}");
        }
    }
    assert!(all(&store).await.is_empty());
    assert!(store.documents("_dbreg_fixtures").await.is_empty());
}

/// `nx-27017` answers without a code, which the driver cannot read; no waiting helps.
#[tokio::test]
async fn a_refusal_that_the_driver_cannot_read_is_one_all_the_same() {
    let store = Store::start().await;
    store
        .project
        .write("fixtures/mongodb.logs/1-a.toml", "[[select]]\nn = 1\n");
    let report = store.project.run(Verb::Fill).await;
    let told = report.to_string();
    assert!(
        told.contains("1-a.toml:1:1: the server refused what is written to `select`"),
        "{told}"
    );
    assert_eq!(report.exit_code(), dbreg::EXIT_CONFIG, "{told}");
}

#[tokio::test]
async fn clear_keeps_structure_and_purge_does_not() {
    let store = Store::start().await;
    write(&store);
    let index = r#"{ "createIndexes": "users", "indexes": [{ "key": { "name": 1 }, "name": "name" }] }"#;
    store.project.write("migrations/mongodb.logs/1_users.json", index);
    assert_eq!(store.project.done(Verb::Build).await, "filled 3 files");
    let before = all(&store).await;

    assert_eq!(store.project.done(Verb::Clear).await, "removed 6 documents");
    assert!(all(&store).await.is_empty());
    assert_eq!(store.indexes("users").await, ["_id", "name"]);
    assert_eq!(store.documents("_dbreg_migrations").await.len(), 1);
    assert_eq!(
        store.project.done(Verb::Clear).await,
        "nothing to clear: there are no documents"
    );
    assert_eq!(store.project.done(Verb::Refill).await, "filled 3 files");
    assert_eq!(store.project.done(Verb::Refill).await, "filled 3 files");
    assert_eq!(all(&store).await, before);

    assert_eq!(store.project.done(Verb::Purge).await, "removed 3 collections");
    assert_eq!(
        store.db.list_collection_names().await.unwrap(),
        ["_dbreg_metadata"],
        "the mark stays"
    );
    assert_eq!(
        store.project.done(Verb::Purge).await,
        "nothing to purge: there are no collections"
    );

    store.project.done(Verb::Build).await;
    assert_eq!(store.project.done(Verb::Drop).await, "dropped the database");
    assert!(store.db.list_collection_names().await.unwrap().is_empty());
    assert_eq!(
        store.project.done(Verb::Drop).await,
        "nothing to drop: there is no such database"
    );
    assert_eq!(
        store.project.done(Verb::Clear).await,
        "nothing to clear: there is no such database"
    );
    store.project.done(Verb::Build).await;
    store.project.done(Verb::Rebuild).await;
    assert_eq!(all(&store).await, before);
    assert_eq!(store.indexes("users").await, ["_id", "name"]);
}

#[tokio::test]
async fn the_stored_mark_protects_against_every_verb_that_destroys() {
    let store = Store::start().await;
    write(&store);
    store.project.done(Verb::Build).await;
    let before = all(&store).await;
    let metadata = store.db.collection::<Document>("_dbreg_metadata");
    let mark = |value: Bson| doc! { "$set": { "value": value } };
    let environment = doc! { "_id": "environment" };
    for value in [Bson::from("production"), Bson::from("Production"), Bson::from(7)] {
        metadata
            .update_one(environment.clone(), mark(value.clone()))
            .upsert(true)
            .await
            .unwrap();
        for verb in [
            Verb::Drop,
            Verb::Clear,
            Verb::Purge,
            Verb::Rebuild,
            Verb::Refill,
            Verb::Fill,
        ] {
            let report = store.project.run(verb).await;
            assert!(!report.is_success(), "{verb} {value}");
            assert_eq!(report.exit_code(), dbreg::EXIT_CONFIG, "{report}");
            assert!(
                report.to_string().contains("--i-know-this-destroys mongodb.logs"),
                "{report}"
            );
        }
    }
    assert_eq!(all(&store).await, before);
    let words = store
        .project
        .done_with(Verb::Clear, |tasks| tasks.i_know_this_destroys("mongodb.logs"));
    assert_eq!(words.await, "removed 6 documents");
}

#[tokio::test]
async fn of_several_at_once_one_fills() {
    let store = Store::start().await;
    write(&store);
    let reports = futures_util::future::join_all((0..3).map(|_| store.project.run(Verb::Fill))).await;
    // The lock is held for a file: one may fill the first, and another the second.
    let mut told: Vec<&str> = reports
        .iter()
        .flat_map(|report| &report.connections[0].steps[0].details)
        .map(String::as_str)
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "filled 00_users.toml: 2 rows",
            "filled 10-posts.json: 2 rows",
            "filled 20-kinds.csv: 2 rows"
        ]
    );
    assert_eq!(all(&store).await.len(), 6);
}

#[tokio::test]
async fn two_connections_to_one_database_have_fixtures_of_their_own() {
    let server = registry_dev::mongodb().await.unwrap();
    let port = server.port();
    let host = format!("host = \"127.0.0.1\"\nport = {port}\ndb = \"shop\"\n");
    let project = Project::new(format!("[mongodb.a]\n{host}[mongodb.b]\n{host}"));
    for label in ["mongodb.a", "mongodb.b"] {
        let text = "[things.one]\nof = \"LABEL\"\n[[parts]]\nof = { ref = \"things.one#of\" }\n";
        project.write(
            &format!("fixtures/{label}/1-things.toml"),
            &text.replace("LABEL", label),
        );
    }
    let report = project.run(Verb::Fill).await;
    assert!(report.is_success(), "{report}");
    let url = format!("mongodb://127.0.0.1:{port}/?directConnection=true");
    let db = dbreg::mongodb::Client::with_uri_str(url)
        .await
        .unwrap()
        .database("shop");
    for collection in ["things", "parts"] {
        let documents = db.collection::<Document>(collection);
        for label in ["mongodb.a", "mongodb.b"] {
            let count = documents.count_documents(doc! { "of": label }).await.unwrap();
            assert_eq!(count, 1, "{collection} of {label}");
        }
    }
}

#[tokio::test]
async fn another_way_to_a_protected_database_refuses_too() {
    let server = registry_dev::mongodb().await.unwrap();
    let port = server.port();
    let project = Project::new(format!(
        "[mongodb.a]\nhost = \"127.0.0.1\"\nport = {port}\ndb = \"shop\"\nprotected = true\n\
         [mongodb.b]\nurl = \"mongodb://LOCALHOST:{port}/Shop\"\n\
         [mongodb.c]\nhost = \"127.0.0.1\"\nport = {port}\ndb = \"other\"\n"
    ));
    for verb in [
        Verb::Drop,
        Verb::Clear,
        Verb::Purge,
        Verb::Rebuild,
        Verb::Refill,
        Verb::Fill,
    ] {
        let report = project.run_with(verb, |tasks| tasks.only("mongodb.b")).await;
        assert_eq!(report.exit_code(), dbreg::EXIT_CONFIG, "{report}");
        assert!(
            report.to_string().contains("--i-know-this-destroys mongodb.a"),
            "{report}"
        );
    }
    project
        .done_with(Verb::Clear, |tasks| tasks.only("mongodb.c"))
        .await;
}
