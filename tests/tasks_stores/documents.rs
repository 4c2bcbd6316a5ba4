//! What the documents show of fixtures and migrations is what the code reads.

use crate::project::Project;
use crate::store::Store;
use dbreg::tasks::Verb;
use dbreg::tasks::fixture::{Formats, read_folder};

/// The fenced blocks of a document with this word after the language, as language and text.
fn blocks(path: &str, word: &str) -> Vec<(String, String)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = std::fs::read_to_string(path).unwrap();
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let info = line.strip_prefix("```").and_then(|info| info.split_once(' '));
        if let Some((language, _)) = info.filter(|(_, found)| *found == word) {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push((language.to_owned(), body.join("\n")));
        }
    }
    found
}

#[test]
fn every_fixture_can_be_read() {
    let mut count = 0;
    for document in ["docs/fixtures.md", "docs/tasks-stores.md"] {
        for (extension, text) in blocks(document, "fixture") {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join(format!("1-countries.{extension}"));
            std::fs::write(file, text).unwrap();
            let read = read_folder(folder.path(), Formats::Rows);
            assert!(read.is_ok(), "{document}: {read:?}");
            count += 1;
        }
    }
    assert_eq!(count, 4);
}

#[tokio::test]
async fn every_migration_can_be_applied() {
    let store = Store::start().await;
    let migrations = blocks("docs/tasks-stores.md", "migration");
    assert_eq!(migrations.len(), 2);
    for ((extension, text), version) in migrations.iter().zip(1..) {
        store
            .project
            .write(&format!("migrations/mongodb.logs/{version}_a.{extension}"), text);
    }
    store.project.done(Verb::Migrate).await;
    assert_eq!(store.indexes("events").await, ["_id", "at", "user,at"]);
}

#[tokio::test]
async fn the_entries_of_memcached_are_stored() {
    let server = registry_dev::memcached().await.unwrap();
    let project = Project::new(format!(
        "[memcached.cache]\nhost = \"127.0.0.1\"\nport = {}\n",
        server.port()
    ));
    let (_, text) = blocks("docs/tasks-stores.md", "fixture").remove(0);
    project.write("fixtures/memcached.cache/1-a.toml", &text);
    assert_eq!(project.done(Verb::Fill).await, "filled 1 file");
}
