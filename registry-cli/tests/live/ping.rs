//! `dbreg ping`.

use crate::program::{Project, status, text};

#[tokio::test]
async fn each_connection_answers_in_its_line() {
    let server = registry_dev::memcached().await.unwrap();
    let file = format!(
        "[memcached.cache]\nhost = \"127.0.0.1\"\nport = {}\nstart = \"lazy\"\n[sqlite.local]\npath = \":memory:\"\nstart = \"optional\"\n",
        server.port()
    );
    let project = Project::new(&file);
    let output = project.dbreg(&["ping"], &[]).await;
    let lines = text(&output);
    let expected = format!("memcached.cache\t127.0.0.1:{}\tok\t", server.port());
    assert!(lines.starts_with(&expected), "{lines}");
    assert!(lines.contains("sqlite.local\t:memory:\tok\t"), "{lines}");
    assert_eq!(status(&output), 0, "{lines}");
    let (array, status) = project.json(&["ping", "sqlite"], &[]).await;
    assert_eq!((array.as_array().unwrap().len(), status), (1, 0));
    assert!(array[0]["latency_milliseconds"].is_number());
}

#[tokio::test]
async fn a_wrong_name_is_answered_with_the_nearest_right_one() {
    let project = Project::new("[sqlite.local]\npath = \"a.db\"\n");
    let output = project.dbreg(&["ping", "sqlite.locl"], &[]).await;
    assert!(
        text(&output).contains("did you mean `sqlite.local`"),
        "{}",
        text(&output)
    );
    assert_eq!(status(&output), 2);
}
