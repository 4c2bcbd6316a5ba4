//! On MongoDB and PostgreSQL, both at once.

use crate::program::{Project, status, text};
use registry_core::mongodb::bson::{Document, doc};

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
