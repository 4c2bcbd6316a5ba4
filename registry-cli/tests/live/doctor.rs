//! `dbreg doctor` on servers that are well.

use crate::program::{Project, status, text};
use registry_dev::{Mode, Proxy};
use serde_json::Value;

/// The names of the steps, in their order.
fn steps(object: &Value) -> Vec<&str> {
    let steps = object["steps"].as_array().expect("steps");
    steps
        .iter()
        .map(|step| step["step"].as_str().expect("a name"))
        .collect()
}

#[tokio::test]
async fn every_backend_is_well() {
    let (mysql, memcached, mongodb, postgres) = tokio::try_join!(
        registry_dev::mysql(),
        registry_dev::memcached(),
        registry_dev::mongodb(),
        registry_dev::postgres()
    )
    .unwrap();
    mysql.create_database("shop", "shop", "canary").await.unwrap();
    postgres.create_database("shop", "shop", "canary").await.unwrap();
    let file = format!(
        "[mysql.main]\nhost = \"localhost\"\nport = {}\nusername = \"shop\"\npassword = {{ env = \"PASSWORD\" }}\n\
         db = \"shop\"\n[mongodb.logs]\nhost = \"127.0.0.1\"\nport = {}\ndb = \"logs\"\n\
         [memcached.cache]\nhost = \"127.0.0.1\"\nport = {}\n[sqlite.local]\npath = \"app.db\"\n\
         [postgres.main]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"shop\"\npassword = {{ env = \"PASSWORD\" }}\n\
         db = \"shop\"\n",
        mysql.port(),
        mongodb.port(),
        memcached.port(),
        postgres.port()
    );
    let project = Project::new(&file);
    let variables = [("PASSWORD", "canary")];
    let (array, status) = project.json(&["doctor"], &variables).await;
    assert_eq!(status, 0, "{array:#}");
    let of = |name: &str| {
        let found = array
            .as_array()
            .unwrap()
            .iter()
            .find(|object| object["connection"] == name);
        found.unwrap_or_else(|| panic!("{name}: {array:#}"))
    };
    for object in array.as_array().unwrap() {
        assert_eq!(object["ok"], true);
        assert!(object["version"].is_string(), "{object:#}");
        assert!(object["latency_milliseconds"].as_f64().unwrap() > 0.0);
        assert!(object["error"].is_null());
    }
    let main = of("mysql.main");
    assert_eq!(
        steps(main),
        ["values", "resolve", "connect", "login", "query", "tls", "clock"]
    );
    assert!(
        main["steps"][1]["detail"]
            .as_str()
            .unwrap()
            .starts_with("localhost is "),
        "{main:#}"
    );
    assert_eq!(main["tls"], "off");
    // The same machine: the difference is the time of the question.
    assert!(
        main["clock_difference_seconds"].as_f64().unwrap().abs() < 60.0,
        "{main:#}"
    );
    let postgres = of("postgres.main");
    assert_eq!(
        steps(postgres),
        ["values", "connect", "login", "query", "tls", "clock"]
    );
    assert_eq!(postgres["tls"], "off");
    assert!(
        postgres["clock_difference_seconds"].as_f64().unwrap().abs() < 60.0,
        "{postgres:#}"
    );
    assert_eq!(of("mongodb.logs")["tls"], "off");
    assert!(of("memcached.cache")["clock_difference_seconds"].is_number());
    assert_eq!(steps(of("sqlite.local")), ["values", "open", "query"]);

    let output = project.dbreg(&["doctor", "mysql.main"], &variables).await;
    let lines = text(&output);
    assert!(lines.contains("mysql.main\tlogin\tok\t"), "{lines}");
}

#[tokio::test]
async fn a_host_of_several_that_is_away_is_a_doubt() {
    let (one, two) = tokio::try_join!(registry_dev::memcached(), registry_dev::memcached()).unwrap();
    let proxy = Proxy::to(two.address()).await.unwrap();
    let file = format!(
        "[memcached.cache]\nconnections = [{{ host = \"127.0.0.1\", port = {} }}, {{ host = \"127.0.0.1\", port = {} }}]\n",
        one.port(),
        proxy.port()
    );
    let project = Project::new(&file);
    let output = project.dbreg(&["doctor"], &[]).await;
    assert!(
        text(&output).contains("memcached.cache\tconnect\tok\t"),
        "{}",
        text(&output)
    );
    proxy.set(Mode::Down).await.unwrap();
    let output = project.dbreg(&["doctor"], &[]).await;
    let lines = text(&output);
    let expected = format!(
        "1 of 2 hosts; connection refused: nothing listens at 127.0.0.1:{}",
        proxy.port()
    );
    assert!(
        lines.contains("connect\twarn\t") && lines.contains(&expected),
        "{lines}"
    );
    assert_eq!(status(&output), 0, "{lines}");
}
