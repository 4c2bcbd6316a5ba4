//! On MongoDB and PostgreSQL, both at once; and on memcached.

use crate::program::{Project, status, text};
use registry_core::mongodb::bson::{Document, doc};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

#[tokio::test]
async fn a_document_store_and_a_server_of_tables_are_built_and_cleared_together() {
    let (mongodb, postgres) = tokio::try_join!(registry_dev::mongodb(), registry_dev::postgres()).unwrap();
    postgres.create_database("spare", "shop", "canary").await.unwrap();
    postgres.sql("ALTER ROLE shop CREATEDB").await.unwrap();
    let file = format!(
        "[mongodb.logs]\nhost = \"127.0.0.1\"\nport = {}\ndb = \"logs\"\n\
         [postgres.main]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"shop\"\npassword = {{ env = \"PASSWORD\" }}\n\
         db = \"new shop\"\n",
        mongodb.port(),
        postgres.port()
    );
    let project = Project::new(&file);
    let rows = "[users.alice]\nname = \"Alice\"\n[users.bob]\nname = \"Bob\"\n";
    project.write("fixtures/mongodb.logs/10-users.toml", rows);
    project.write("fixtures/postgres.main/10-users.toml", rows);
    let table = "CREATE TABLE users (id BIGSERIAL PRIMARY KEY, name TEXT NOT NULL);";
    project.write("migrations/postgres.main/1_users.sql", table);
    let variables = [("PASSWORD", "canary")];

    let url = format!("mongodb://127.0.0.1:{}", mongodb.port());
    let client = registry_core::mongodb::Client::with_uri_str(&url).await.unwrap();
    let users = client.database("logs").collection::<Document>("users");
    let rows = async || {
        postgres
            .sql_in("new shop", "SELECT count(*) FROM users")
            .await
            .unwrap()
    };

    let output = project.dbreg(&["build"], &variables).await;
    assert_eq!(status(&output), 0, "{}", text(&output));
    assert_eq!(users.count_documents(doc! { "name": "Alice" }).await.unwrap(), 1);
    assert_eq!(rows().await.trim(), "2");

    let output = project.dbreg(&["clear"], &variables).await;
    assert_eq!(status(&output), 0, "{}", text(&output));
    assert_eq!(users.count_documents(doc! {}).await.unwrap(), 0);
    assert_eq!(rows().await.trim(), "0");

    let output = project.dbreg(&["drop", "postgres.main"], &variables).await;
    assert_eq!(status(&output), 0, "{}", text(&output));
    let left = postgres.sql("SELECT datname FROM pg_database").await.unwrap();
    assert!(!left.contains("new shop") && left.contains("spare"), "{left}");
}

/// What memcached answers to a command, up to a line that ends with this.
fn memcached(server: SocketAddr, command: &str, end: &str) -> String {
    let mut stream = TcpStream::connect(server).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a deadline");
    stream.write_all(command.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    while !answer.ends_with(end.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("it answers");
        answer.extend(byte);
    }
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn the_keys_of_others_stay_unless_all_are_meant() {
    let server = registry_dev::memcached().await.unwrap();
    let (address, port) = (server.address(), server.port());
    let file = format!(
        "[memcached.cache]\nhost = \"127.0.0.1\"\nport = {port}\nprefix = \"shop:\"\n\
         [memcached.whole]\nhost = \"127.0.0.1\"\nport = {port}\n"
    );
    let project = Project::new(&file);
    project.write(
        "fixtures/memcached.cache/1-users.toml",
        "[[entries]]\nkey = \"user\"\nvalue = \"Alice\"\n",
    );
    let run = async |arguments: &[&str]| {
        let output = project.dbreg(arguments, &[]).await;
        (text(&output), status(&output))
    };
    memcached(address, "set other 0 0 4\r\nmine\r\n", "STORED\r\n");
    let there = |key: &str| memcached(address, &format!("get {key}\r\n"), "END\r\n").contains("VALUE");

    let (words, code) = run(&["build", "memcached.cache"]).await;
    assert_eq!(
        (code, there("shop:user"), there("other")),
        (0, true, true),
        "{words}"
    );
    let (words, code) = run(&["clear", "memcached.cache"]).await;
    assert_eq!(
        (code, there("shop:user"), there("other")),
        (0, false, true),
        "{words}"
    );
    let (words, code) = run(&["clear", "memcached.whole"]).await;
    assert_eq!((code, there("other")), (78, true), "{words}");
    assert!(words.contains("--all-keys"), "{words}");
    let (words, code) = run(&["clear", "memcached.whole", "--all-keys"]).await;
    assert_eq!((code, there("other")), (0, false), "{words}");
}
