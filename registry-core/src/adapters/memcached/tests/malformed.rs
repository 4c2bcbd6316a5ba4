//! Every malformed reply of the fixture: the right verdict, and a right answer to the next call.

use super::fake::{self, Bad};
use super::open_handle;
use crate::error::Error;
use crate::kind::ErrorKind;
use serde::Deserialize;
use std::time::{Duration, Instant};

#[derive(Deserialize)]
pub(super) struct Case {
    id: String,
    command: String,
    reply_latin1: String,
    close_after: u8,
    expect: String,
}

impl Case {
    pub(super) fn verb(&self) -> &'static str {
        match self.command.as_str() {
            "get" => "get",
            "set" => "set",
            "incr" => "incr",
            "version" => "version",
            other => panic!("no such command: {other}"),
        }
    }

    pub(super) fn bad(&self) -> Bad {
        let text = &self.reply_latin1;
        let bytes = match text.strip_prefix("@repeat A ") {
            Some(count) => vec![b'A'; count.parse().unwrap()],
            // Letters that come later than any deadline.
            None if text.starts_with("@600") => return Bad::Silence,
            None => text
                .chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap())
                .collect(),
        };
        Bad::Bytes {
            bytes,
            close: self.close_after == 1,
        }
    }
}

/// Ok with what came, as text. `rested`: on a session that has answered before, and not on one that a runner opens.
async fn run(case: &Case, rested: bool) -> (Result<String, Error>, Duration) {
    let verb = case.verb();
    let port = fake::start(verb, case.bad()).await;
    let cache = open_handle(port, "connect_timeout = \"5s\"\ntimeout = \"3s\"\n");
    let call = async || match verb {
        "get" => cache
            .get("test")
            .await
            .map(|value| String::from_utf8(value.unwrap_or_default()).unwrap()),
        "set" => cache.set("test", "v", None).await.map(|()| "stored".to_owned()),
        "incr" => cache.incr("test", 1).await.map(|number| format!("{number:?}")),
        _ => cache.version().await,
    };
    if rested {
        let other = match verb {
            "set" => cache.get("warm").await.map(drop),
            _ => cache.set("warm", "v", None).await,
        };
        other.unwrap();
        let idle = || cache.status().sessions.unwrap().idle;
        // Whoever has spoken on it gives it back in his next turns.
        for _ in 0..1_000 {
            if idle() == 1 {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(idle(), 1, "{}", case.id);
    }
    let start = Instant::now();
    let first = call().await;
    let elapsed = start.elapsed();
    let expected = match verb {
        "get" => "test",
        "set" => "stored",
        "incr" => "Some(7)",
        _ => "1.6.18",
    };
    assert_eq!(call().await.unwrap(), expected, "{}: the next call", case.id);
    // Another key, for an answer that was left behind.
    assert_eq!(
        cache.get("bob").await.unwrap().as_deref(),
        Some(&b"bob"[..]),
        "{}",
        case.id
    );
    (first, elapsed)
}

pub(super) fn cases() -> Vec<Case> {
    let text = include_str!("../../../../tests/fixtures/memcached_malformed.json");
    let cases: Vec<Case> = serde_json::from_str(text).unwrap();
    assert_eq!(cases.len(), 46);
    cases
}

#[tokio::test]
async fn a_malformed_reply_is_an_error_and_harms_no_other_call() {
    let cases = cases();
    let outcomes = futures_util::future::join_all(cases.iter().map(|case| run(case, false))).await;
    for (case, (outcome, elapsed)) in cases.iter().zip(outcomes) {
        let Case { id, expect, .. } = case;
        assert!(elapsed < Duration::from_secs(10), "{id} took {elapsed:?}");
        let error = match outcome {
            Ok(value) => {
                assert!(
                    expect.starts_with("value 'te'") && value == "te",
                    "{id}: found `{value}`"
                );
                continue;
            }
            Err(error) => error,
        };
        assert!(!error.message().chars().any(char::is_control), "{id}: {error}");
        let kind = error.kind();
        let either = ["timeout/err", "error or timeout"]
            .iter()
            .any(|words| expect.starts_with(words));
        let late = expect.starts_with("timeout error") || expect.contains("by its timeout");
        assert!(
            either || (kind == ErrorKind::Timeout) == late,
            "{id}: expected {expect}, found {error:?}"
        );
        match id.as_str() {
            "get-maxconns" => assert_eq!(kind, ErrorKind::TooManyConnections),
            "get-close" | "version-close" => assert_eq!(kind, ErrorKind::Unreachable),
            _ if case.reply_latin1.contains("_ERROR ") => {
                assert_eq!(kind, ErrorKind::Operation, "{id}: {error}");
                assert!(error.message().contains("_ERROR "), "{id}: {error}");
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn nor_does_one_on_a_session_that_rested() {
    let cases = cases();
    let outcomes = futures_util::future::join_all(cases.iter().map(|case| run(case, true))).await;
    for (case, (outcome, elapsed)) in cases.iter().zip(outcomes) {
        let Case { id, expect, .. } = case;
        assert!(elapsed < Duration::from_secs(10), "{id} took {elapsed:?}");
        let ended = ["get-close", "version-close"].contains(&id.as_str());
        match outcome {
            Err(error) if ended => panic!("{id} is not tried again: {error}"),
            Err(error) => assert!(!error.message().chars().any(char::is_control), "{id}: {error}"),
            // What only reads is tried once more where the server has ended the session.
            Ok(value) if case.close_after == 1 && value != "stored" => {
                assert!(value == "test" || value == "1.6.18", "{id}: found `{value}`");
            }
            Ok(value) => assert!(
                expect.starts_with("value 'te'") && value == "te",
                "{id}: found `{value}`"
            ),
        }
    }
}

#[tokio::test]
async fn two_values_of_one_key_are_no_answer() {
    let value = "VALUE test 0 2\r\nte\r\n";
    let case = Case {
        id: "get-twice".to_owned(),
        command: "get".to_owned(),
        reply_latin1: format!("{value}{value}END\r\n"),
        close_after: 0,
        expect: String::new(),
    };
    for rested in [false, true] {
        let (outcome, _) = run(&case, rested).await;
        assert_eq!(
            outcome.unwrap_err().kind(),
            ErrorKind::Protocol,
            "rested: {rested}"
        );
    }
}
