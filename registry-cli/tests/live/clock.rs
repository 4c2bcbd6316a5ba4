//! The clock of each server against that of this machine, as `dbreg doctor` has it.

use crate::program::{Project, status, text};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{SystemTime, UNIX_EPOCH};

/// 2001: far behind, whenever this runs.
const LONG_AGO: u32 = 1_000_000_000;

/// A memcached of which nothing is real but that it tells the time of tomorrow.
fn of_tomorrow(stream: TcpStream) -> std::io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let tomorrow = now.as_secs() + 24 * 60 * 60;
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line)? > 0 {
        let answer = match line.trim_end() {
            "stats" => format!("STAT version 1.6.0\r\nSTAT time {tomorrow}\r\nEND\r\n"),
            "version" => "VERSION 1.6.0\r\n".to_owned(),
            _ => "ERROR\r\n".to_owned(),
        };
        stream.get_mut().write_all(answer.as_bytes())?;
        line.clear();
    }
    Ok(())
}

fn of<'r>(report: &'r Value, connection: &str) -> &'r Value {
    let mut rows = report.as_array().expect("an array").iter();
    rows.find(|row| row["connection"] == connection)
        .expect("the connection is named")
}

fn difference(report: &Value, connection: &str) -> f64 {
    let object = of(report, connection);
    let told = object["clock_difference_seconds"].as_f64();
    told.unwrap_or_else(|| panic!("no time in {object:#}"))
}

#[tokio::test]
async fn a_server_of_another_time_is_a_doubt_and_no_failure() {
    let (mysql, mongodb, postgres) = tokio::try_join!(
        registry_dev::mysql(),
        registry_dev::mongodb(),
        registry_dev::postgres()
    )
    .unwrap();
    mysql.create_database("shop", "shop", "canary").await.unwrap();
    postgres.create_database("shop", "shop", "canary").await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(|| of_tomorrow(stream));
        }
    });
    let login = "username = \"shop\"\npassword = { env = \"PASSWORD\" }\ndb = \"shop\"\n";
    let file = format!(
        "[mysql.main]\nhost = \"127.0.0.1\"\nport = {}\n{login}\
         [postgres.main]\nhost = \"127.0.0.1\"\nport = {}\n{login}\
         [mongodb.logs]\nhost = \"127.0.0.1\"\nport = {}\ndb = \"logs\"\n\
         [memcached.cache]\nhost = \"127.0.0.1\"\nport = {port}\n",
        mysql.port(),
        postgres.port(),
        mongodb.port()
    );
    let project = Project::new(&file);
    let variables = [("PASSWORD", "canary")];
    let (report, code) = project.json(&["doctor"], &variables).await;
    assert_eq!(code, 0, "{report:#}");
    // The same machine: the difference is the time of the question.
    for connection in ["mysql.main", "postgres.main", "mongodb.logs"] {
        assert!(difference(&report, connection).abs() < 60.0, "{report:#}");
    }
    let ahead = difference(&report, "memcached.cache");
    assert!((86_000.0..87_000.0).contains(&ahead), "{report:#}");

    // The time of a session of MySQL may be set, and the clock of PostgreSQL is a function that another may stand before.
    mysql
        .sql(format!("SET GLOBAL init_connect = 'SET timestamp = {LONG_AGO}'"))
        .await
        .unwrap();
    postgres
        .sql_in(
            "shop",
            format!(
                "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql \
                 AS 'SELECT to_timestamp({LONG_AGO})'"
            ),
        )
        .await
        .unwrap();
    postgres
        .sql("ALTER ROLE shop SET search_path = public, pg_catalog")
        .await
        .unwrap();
    let (report, code) = project.json(&["doctor"], &variables).await;
    assert_eq!(code, 0, "{report:#}");
    for connection in ["mysql.main", "postgres.main"] {
        assert!(difference(&report, connection) < -1e8, "{report:#}");
    }
    let output = project.dbreg(&["doctor"], &variables).await;
    let lines = text(&output);
    assert_eq!(status(&output), 0, "{lines}");
    for (connection, words) in [
        ("mysql.main", " s behind this machine; let a time service"),
        ("postgres.main", " s behind this machine; let a time service"),
        ("memcached.cache", " s ahead of this machine; let a time service"),
    ] {
        let of_it = |line: &&str| line.starts_with(&format!("{connection}\tclock\twarn\t"));
        let line = lines.lines().find(of_it);
        assert!(line.is_some_and(|line| line.contains(words)), "{lines}");
    }
    assert!(lines.contains("mongodb.logs\tclock\tok\t"), "{lines}");
}
