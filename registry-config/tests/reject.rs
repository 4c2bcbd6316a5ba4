//! One file for each mistake, with a snapshot of what is said about it.

use registry_config::{Severity, load};
use std::fs;
use std::path::PathBuf;

fn cases() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/reject");
    let files = fs::read_dir(folder).expect("the folder of cases is there");
    let read = |entry: fs::DirEntry| {
        let path = entry.path();
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("the names of cases are UTF-8")
            .to_owned();
        (name, fs::read_to_string(&path).expect("a case is UTF-8"))
    };
    let mut cases: Vec<_> = files
        .map(|entry| read(entry.expect("a case can be read")))
        .collect();
    cases.sort();
    cases
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let cases = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("reject-snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (name, source) in cases {
        let loaded = load(&source, "databases.toml");
        let mut lines: Vec<String> = loaded
            .diagnostics
            .iter()
            .map(|found| found.render("databases.toml"))
            .collect();
        if !loaded.names_certain {
            lines.push("(names are not certain)".to_owned());
        }
        settings.set_description(source);
        settings.bind(|| insta::assert_snapshot!(name, lines.join("\n")));
    }
}

#[test]
fn messages_keep_their_form_and_their_secrets() {
    for (name, source) in cases() {
        let loaded = load(&source, "databases.toml");
        assert!(!loaded.diagnostics.is_empty(), "{name}");
        assert!(
            loaded.diagnostics.is_sorted_by_key(|found| found.position),
            "{name}"
        );
        for found in loaded.diagnostics {
            let text = found.render("databases.toml");
            assert_eq!(found.severity, Severity::Error, "{name}: {text}");
            assert!(found.position.is_some(), "{name}: {text}");
            assert!(
                !text.contains("hunter") && !text.contains("4711"),
                "{name}: {text}"
            );
            for sentence in [Some(&found.message), found.help.as_ref()].into_iter().flatten() {
                assert!(!sentence.ends_with('.'), "{name}: {text}");
                let names = ["MySQL", "MongoDB", "SQLite", "Rust", "PostgreSQL"];
                let lower = !sentence.starts_with(char::is_uppercase);
                assert!(
                    lower || names.iter().any(|name| sentence.starts_with(name)),
                    "{name}: {text}"
                );
            }
            let code = found.code.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            assert!(code, "{name}: {}", found.code);
        }
    }
}
