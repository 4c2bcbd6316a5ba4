//! The verbs on memcached.

use crate::project::Project;
use dbreg::tasks::Verb;
use registry_dev::{MemcachedOptions, MemcachedServer};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A plain session with a server, which knows nothing of dbreg.
struct Plain {
    stream: BufReader<TcpStream>,
}

impl Plain {
    fn with(server: &MemcachedServer) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    fn ask(&mut self, text: &str) -> String {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn set(&mut self, key: &str, value: &str) {
        let length = value.len();
        assert_eq!(
            self.ask(&format!("set {key} 0 0 {length}\r\n{value}\r\n")),
            "STORED"
        );
    }

    fn get(&mut self, key: &str) -> Option<String> {
        if self.ask(&format!("get {key}\r\n")) == "END" {
            return None;
        }
        let (mut value, mut end) = (String::new(), String::new());
        self.stream.read_line(&mut value).unwrap();
        self.stream.read_line(&mut end).unwrap();
        assert_eq!(end, "END\r\n");
        Some(value.trim_end().to_owned())
    }

    /// Seconds until a key expires; -1 for never.
    fn ttl(&mut self, key: &str) -> i64 {
        let answer = self.ask(&format!("mg {key} t\r\n"));
        answer
            .strip_prefix("HD t")
            .unwrap_or_else(|| panic!("{answer}"))
            .parse()
            .unwrap()
    }
}

fn project(servers: &[&MemcachedServer], keys: &str) -> Project {
    let hosts: Vec<String> = servers
        .iter()
        .map(|server| format!("{{ host = \"127.0.0.1\", port = {} }}", server.port()))
        .collect();
    Project::new(format!(
        "[memcached.cache]\nconnections = [{}]\n{keys}",
        hosts.join(", ")
    ))
}

const ENTRIES: &str = "[[entries]]\n\"#label\" = \"alice\"\nkey = \"user:7\"\nvalue = { name = \"Alice\" }\nexpiry = \"10m\"\n\
                       [[entries]]\nkey = \"current\"\nvalue = { ref = \"entries.alice\" }\n";

#[tokio::test]
async fn entries_are_written_and_never_over_others() {
    let server = registry_dev::memcached().await.unwrap();
    let project = project(&[&server], "prefix = \"shop:\"\n");
    project.write("fixtures/memcached.cache/1-users.toml", ENTRIES);
    project.write(
        "fixtures/memcached.cache/2-entries.csv",
        "key,value,expiry\nn,7,1h\nempty,\"\",\n",
    );
    let mut plain = Plain::with(&server);
    let planned = async || {
        let plan = project.tasks().build().unwrap().plan(Verb::Fill).await;
        plan.connections[0].steps[0].details.join(", ")
    };
    assert_eq!(
        planned().await,
        "fill 1-users.toml: 2 rows, fill 2-entries.csv: 2 rows"
    );
    assert_eq!(project.done(Verb::Fill).await, "filled 2 files");
    assert_eq!(
        planned().await,
        "leave 1-users.toml: filled before, leave 2-entries.csv: filled before"
    );
    assert_eq!(plain.get("shop:user:7").as_deref(), Some(r#"{"name":"Alice"}"#));
    assert_eq!(plain.get("shop:current").as_deref(), Some("user:7"));
    assert_eq!(plain.get("shop:n").as_deref(), Some("7"));
    assert_eq!(plain.get("shop:empty").as_deref(), Some(""));
    assert_eq!(plain.ttl("shop:current"), -1);
    let ttl = plain.ttl("shop:user:7");
    assert!((1..=600).contains(&ttl), "{ttl}");
    let ttl = plain.ttl("shop:n");
    assert!((601..=3_600).contains(&ttl), "{ttl}");

    let failed = project.failed(Verb::Fill).await;
    assert_eq!(
        failed,
        "`1-users.toml` was filled before, `2-entries.csv` was filled before; write `--replace` to fill them again, or \
         `refill` to clear everything first"
    );
    plain.set("shop:user:7", "changed");
    let plan = project.tasks().build().unwrap().plan(Verb::Fill).await;
    assert_eq!(plan.exit_code(), dbreg::EXIT_CONFIG, "{plan}");
    assert!(
        plan.to_string().contains("the key has another value already"),
        "{plan}"
    );
    let replacing = project.tasks().replace(true).build().unwrap();
    assert!(plain.ask("delete shop:current\r\n") == "DELETED");
    let plan = replacing.plan(Verb::Fill).await;
    assert_eq!(
        plan.connections[0].steps[0].details,
        ["replace 1-users.toml: 2 rows", "replace 2-entries.csv: 2 rows"]
    );
    let failed = project.failed(Verb::Fill).await;
    assert_eq!(
        failed,
        "fixtures/memcached.cache/1-users.toml:1:1: the key has another value already; write `--replace` to write it again, \
         or `clear` first"
    );
    assert_eq!(
        project.done_with(Verb::Fill, |tasks| tasks.replace(true)).await,
        "filled 2 files"
    );
    assert_eq!(plain.get("shop:user:7").as_deref(), Some(r#"{"name":"Alice"}"#));

    // All of a file, or nothing.
    assert_eq!(plain.ask("delete shop:user:7\r\n"), "DELETED");
    plain.set("shop:current", "changed");
    project.failed(Verb::Fill).await;
    assert_eq!(plain.get("shop:user:7"), None);

    // One that has expired meanwhile is written again, and the application's own spelling of a value is that value.
    plain.set("shop:current", "user:7");
    let words = "filled 1 file; 1 file filled before";
    assert_eq!(project.done(Verb::Fill).await, words);
    assert_eq!(plain.get("shop:user:7").as_deref(), Some(r#"{"name":"Alice"}"#));
    plain.set("shop:user:7", r#"{ "name": "Alice" }"#);
    assert_eq!(plain.ask("delete shop:current\r\n"), "DELETED");
    assert_eq!(project.done(Verb::Build).await, words);
    assert_eq!(
        plain.get("shop:user:7").as_deref(),
        Some(r#"{ "name": "Alice" }"#)
    );
}

#[tokio::test]
async fn what_cannot_be_written_is_told_and_nothing_is_written() {
    let server = registry_dev::memcached().await.unwrap();
    let project = project(&[&server], "max_value = 100\n");
    let large = "x".repeat(101);
    for (second, expected) in [
        (
            "key = \"a b\"\nvalue = 1\n".to_owned(),
            ":4:1: expected a key without spaces",
        ),
        (
            format!("key = \"b\"\nvalue = \"{large}\"\n"),
            ":4:1: expected a value of at most 100 bytes, found 101",
        ),
        ("key = \"b\"\n".to_owned(), ":4:1: expected a `value`, found none"),
    ] {
        let text = format!("[[entries]]\nkey = \"a\"\nvalue = 1\n[[entries]]\n{second}");
        project.write("fixtures/memcached.cache/1-a.toml", &text);
        let failed = project.failed(Verb::Fill).await;
        assert!(failed.contains(expected), "{failed}");
    }
    assert_eq!(Plain::with(&server).get("a"), None);
}

#[tokio::test]
async fn only_the_keys_of_the_prefix_are_removed_from_every_host() {
    let (one, two) = tokio::join!(registry_dev::memcached(), registry_dev::memcached());
    let (one, two) = (one.unwrap(), two.unwrap());
    let project = project(&[&one, &two], "prefix = \"shop:\"\n");
    let mut plain = [Plain::with(&one), Plain::with(&two)];
    for verb in [Verb::Clear, Verb::Purge, Verb::Drop] {
        for plain in &mut plain {
            // On both, whatever host they belong to; more than are listed or deleted at once.
            for n in 0..700 {
                plain.set(&format!("shop:{n}"), "x");
            }
            plain.set("shop:100%25", "x");
            plain.set("shop", "theirs");
            plain.set("shopping:1", "theirs");
            plain.set("other", "theirs");
        }
        let words = project.done(verb).await;
        assert_eq!(words, "removed 1402 keys that begin with `shop:`", "{verb}");
        for plain in &mut plain {
            assert_eq!(plain.get("shop:0"), None);
            assert_eq!(plain.get("shop:699"), None);
            for key in ["shop", "shopping:1", "other"] {
                assert_eq!(plain.get(key).as_deref(), Some("theirs"), "{verb} {key}");
            }
        }
        assert_eq!(
            project.done(verb).await,
            "there are no keys that begin with `shop:`"
        );
    }
}

#[tokio::test]
async fn a_host_that_is_away_is_told_and_the_others_are_cleared() {
    let (one, two) = tokio::join!(registry_dev::memcached(), registry_dev::memcached());
    let (one, two) = (one.unwrap(), two.unwrap());
    let project = project(&[&one, &two], "prefix = \"shop:\"\n");
    let mut plain = Plain::with(&two);
    plain.set("shop:a", "x");
    one.stop().await.unwrap();
    let report = project.run(Verb::Clear).await;
    let error = report.failures().next().unwrap();
    assert!(error.message().contains(&one.port().to_string()), "{error}");
    assert_eq!(report.exit_code(), dbreg::EXIT_UNAVAILABLE, "{report}");
    assert_eq!(plain.get("shop:a"), None);
    // So many that each host has some.
    let entries: String = (0..200).map(|n| format!("key:{n},x\n")).collect();
    let file = format!("key,value\n{entries}");
    project.write("fixtures/memcached.cache/1-entries.csv", &file);
    let report = project.run(Verb::Fill).await;
    assert_eq!(report.exit_code(), dbreg::EXIT_UNAVAILABLE, "{report}");
    one.start().await.unwrap();
    project.done(Verb::Clear).await;
    project.done(Verb::Fill).await;
}

#[tokio::test]
async fn without_a_prefix_everything_goes_only_when_that_is_allowed() {
    let server = registry_dev::memcached().await.unwrap();
    let project = project(&[&server], "");
    let mut plain = Plain::with(&server);
    plain.set("a", "x");
    for verb in [Verb::Clear, Verb::Purge, Verb::Refill] {
        let failed = project.failed(verb).await;
        assert_eq!(
            failed,
            "it has no `prefix`, and others may have keys on the same server; write a `prefix` under [memcached.cache], \
             or `--all-keys` to remove every key of the server"
        );
        // A dry run promises nothing else.
        let plan = project.tasks().build().unwrap().plan(verb).await;
        assert_eq!(plan.exit_code(), dbreg::EXIT_CONFIG, "{plan}");
        assert!(plan.to_string().contains("--all-keys"), "{plan}");
    }
    let words = project.done(Verb::Drop).await;
    assert!(words.starts_with("nothing to drop"), "{words}");
    assert_eq!(plain.get("a").as_deref(), Some("x"));
    let words = project.done_with(Verb::Clear, |tasks| tasks.all_keys(true)).await;
    assert_eq!(words, "removed every key of the server");
    assert_eq!(plain.get("a"), None);
}

#[tokio::test]
async fn a_server_that_cannot_list_its_keys_is_left_alone() {
    let options = MemcachedOptions::default().arg("-o").arg("no_lru_crawler");
    let server = registry_dev::memcached_with(options).await.unwrap();
    let project = project(&[&server], "prefix = \"shop:\"\n");
    let mut plain = Plain::with(&server);
    plain.set("shop:a", "x");
    plain.set("other", "theirs");
    let failed = project.failed(Verb::Clear).await;
    assert!(
        failed.contains("expected the list of its keys, the server answered CLIENT_ERROR"),
        "{failed}"
    );
    assert!(
        failed.contains("start it without `-o no_lru_crawler`"),
        "{failed}"
    );
    // Nor is everything removed instead: what is not of the prefix is somebody else's, and he may be protected.
    let report = project.run_with(Verb::Clear, |tasks| tasks.all_keys(true)).await;
    assert!(!report.is_success(), "{report}");
    assert_eq!(plain.get("shop:a").as_deref(), Some("x"));
    assert_eq!(plain.get("other").as_deref(), Some("theirs"));
}

#[tokio::test]
async fn there_is_nothing_to_create_or_to_migrate() {
    let server = registry_dev::memcached().await.unwrap();
    let project = project(&[&server], "prefix = \"shop:\"\n");
    project.write("fixtures/memcached.cache/1-users.toml", ENTRIES);
    let words = project.done(Verb::Create).await;
    assert_eq!(words, "nothing to create: memcached has no databases");
    let words = project.done(Verb::Migrate).await;
    assert!(
        words.starts_with("nothing to migrate: memcached has no structure"),
        "{words}"
    );
    let mut plain = Plain::with(&server);
    for verb in [Verb::Build, Verb::Rebuild, Verb::Refill] {
        project.done(verb).await;
        assert_eq!(plain.get("shop:current").as_deref(), Some("user:7"), "{verb}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_stops_no_step_that_has_nothing_to_do_there() {
    let server = registry_dev::memcached().await.unwrap();
    let with_prefix = project(&[&server], "prefix = \"shop:\"\n");
    let without = project(&[&server], "");
    server.stop().await.unwrap();
    for project in [&with_prefix, &without] {
        for verb in [Verb::Create, Verb::Migrate, Verb::Fill, Verb::Build] {
            project.done(verb).await;
            let plan = project.tasks().build().unwrap().plan(verb).await;
            assert!(plan.is_clear(), "{plan}");
            let mut steps = plan.connections[0].steps.iter();
            assert!(steps.all(|step| step.details.is_empty()), "{plan}");
        }
    }
    without.done(Verb::Rebuild).await;
    // Where there is something to do, it is an outage.
    for verb in [Verb::Drop, Verb::Clear, Verb::Purge, Verb::Rebuild, Verb::Refill] {
        let report = with_prefix.run(verb).await;
        assert_eq!(report.exit_code(), dbreg::EXIT_UNAVAILABLE, "{verb}: {report}");
    }
    without.write("fixtures/memcached.cache/1-users.toml", ENTRIES);
    let report = without.run(Verb::Build).await;
    assert_eq!(report.exit_code(), dbreg::EXIT_UNAVAILABLE, "{report}");
}

#[tokio::test]
async fn a_protected_cache_and_one_whose_keys_lie_within_it_refuse() {
    let server = registry_dev::memcached().await.unwrap();
    let port = server.port();
    let project = Project::new(format!(
        "[memcached.all]\nhost = \"127.0.0.1\"\nport = {port}\nprotected = true\n\
         [memcached.part]\nhost = \"localhost\"\nport = {port}\nprefix = \"shop:\"\n"
    ));
    let mut plain = Plain::with(&server);
    plain.set("shop:a", "x");
    for verb in [
        Verb::Drop,
        Verb::Clear,
        Verb::Purge,
        Verb::Rebuild,
        Verb::Refill,
        Verb::Fill,
    ] {
        for name in ["memcached.all", "memcached.part"] {
            let report = project
                .run_with(verb, |tasks| tasks.only(name).all_keys(true))
                .await;
            assert!(!report.is_success(), "{verb} {name}");
            assert!(
                report
                    .to_string()
                    .contains("--i-know-this-destroys memcached.all"),
                "{report}"
            );
        }
    }
    assert_eq!(plain.get("shop:a").as_deref(), Some("x"));
    let words = project.done_with(Verb::Clear, |tasks| {
        tasks.only("memcached.part").i_know_this_destroys("memcached.all")
    });
    assert_eq!(words.await, "removed 1 key that begins with `shop:`");
}

#[tokio::test]
async fn everything_is_not_removed_where_a_part_of_it_is_protected_or_somebody_elses() {
    let server = registry_dev::memcached().await.unwrap();
    let port = server.port();
    let mut plain = Plain::with(&server);
    plain.set("shop:a", "x");
    for protection in ["protected = true", "tasks = false"] {
        let project = Project::new(format!(
            "[memcached.all]\nhost = \"127.0.0.1\"\nport = {port}\n\
             [memcached.part]\nhost = \"127.0.0.2\"\nport = {port}\nprefix = \"shop:\"\n{protection}\n\
             [memcached.beside]\nhost = \"127.0.0.1\"\nport = {port}\nprefix = \"blog:\"\n"
        ));
        for verb in [Verb::Clear, Verb::Purge, Verb::Refill] {
            let report = project
                .run_with(verb, |tasks| tasks.only("memcached.all").all_keys(true))
                .await;
            assert_eq!(
                report.exit_code(),
                dbreg::EXIT_CONFIG,
                "{protection} {verb}: {report}"
            );
            assert!(report.to_string().contains("memcached.part"), "{report}");
        }
        assert_eq!(plain.get("shop:a").as_deref(), Some("x"));
        let words = project.done_with(Verb::Clear, |tasks| tasks.only("memcached.beside"));
        assert_eq!(words.await, "there are no keys that begin with `blog:`");
    }
}

#[tokio::test]
async fn what_no_server_takes_is_told_of_every_file_before_anything_is_written() {
    let server = registry_dev::memcached().await.unwrap();
    let project = Project::new(format!(
        "[memcached.cache]\nhost = \"127.0.0.1\"\nport = {}\nprefix = \"shop:\"\nmax_value = 100\n",
        server.port()
    ));
    let long = "k".repeat(246);
    project.write(
        "fixtures/memcached.cache/1-a.toml",
        "[[entries]]\nkey = \"a\"\nvalue = \"1\"\n",
    );
    project.write(
        "fixtures/memcached.cache/2-b.toml",
        &format!(
            "[[entries]]\nkey = \"b c\"\nvalue = \"1\"\n[[entries]]\nkey = \"{long}\"\nvalue = \"1\"\n[[entries]]\nkey = \"a\"\nvalue = \"2\"\n[[entries]]\nkye = \"d\"\n"
        ),
    );
    let value = "v".repeat(101);
    project.write(
        "fixtures/memcached.cache/3-c.toml",
        &format!("[[entries]]\nkey = \"c\"\nvalue = \"{value}\"\n"),
    );
    project.write(
        "fixtures/memcached.cache/4-entries.csv",
        "key,value,expiry\nd,1,0s\n",
    );
    let report = project.run_with(Verb::Fill, |tasks| tasks).await;
    assert_eq!(report.exit_code(), 78, "{report}");
    let told = report.to_string();
    for words in [
        "2-b.toml:1:1: ",
        "2-b.toml:4:1: expected a key of",
        // Beside them what is wrong with the form of a row, and a key that another file has.
        "2-b.toml:7:1: the key has another value at ",
        "fixtures/memcached.cache/1-a.toml:1:1; ",
        "2-b.toml:10:1: unknown column `kye`; did you mean `key`",
        "3-c.toml:1:1: ",
        "found 101",
        "4-entries.csv:2:1: `expiry` expects a length of time such as `10m`, found `0s`",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(Plain::with(&server).get("shop:a"), None);
}

#[tokio::test]
async fn a_key_in_two_files_is_told_before_anything_is_written() {
    let server = registry_dev::memcached().await.unwrap();
    let project = project(&[&server], "prefix = \"shop:\"\n");
    project.write(
        "fixtures/memcached.cache/1-entries.csv",
        "key,value\na,1\nb,1\nsame,1\n",
    );
    project.write(
        "fixtures/memcached.cache/2-entries.csv",
        "key,value\nsame,1\nb,2\n",
    );
    let failed = project.failed(Verb::Fill).await;
    let told = "2-entries.csv:3:1: the key has another value at fixtures/memcached.cache/1-entries.csv:3:1";
    assert!(failed.contains(told), "{failed}");
    assert_eq!(Plain::with(&server).get("shop:a"), None);
}

#[tokio::test]
async fn a_wait_is_for_every_host() {
    let (first, second) = tokio::join!(registry_dev::memcached(), registry_dev::memcached());
    let (first, second) = (first.unwrap(), std::sync::Arc::new(second.unwrap()));
    let project = project(&[&first, &second], "");
    let rows = (0..50).map(|number| format!("key:{number},1\n"));
    let entries = format!("key,value\n{}", rows.collect::<String>());
    project.write("fixtures/memcached.cache/1-entries.csv", &entries);
    second.stop().await.unwrap();
    let starts = std::sync::OnceLock::new();
    let observe = |event| {
        if let dbreg::tasks::Event::Waiting { .. } = event {
            let second = std::sync::Arc::clone(&second);
            starts.get_or_init(|| tokio::spawn(async move { second.start().await }));
        }
    };
    let tasks = project.tasks().wait(std::time::Duration::from_secs(60));
    let report = tasks.build().unwrap().run(Verb::Fill, observe).await;
    assert!(report.is_success(), "{report}");
    assert!(starts.get().is_some(), "somebody waited");
}
