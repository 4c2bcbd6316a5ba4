//! What the documents show is what the code reads: every `databases.toml` in them is valid, and every link leads to a
//! file.

#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "deploy/README.md",
    ]
    .iter()
    .map(|name| root().join(name))
    .collect();
    let docs = std::fs::read_dir(root().join("docs")).unwrap();
    paths.extend(
        docs.map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "md")),
    );
    let read = |path: PathBuf| (path.clone(), std::fs::read_to_string(path).unwrap());
    paths.into_iter().map(read).collect()
}

/// The fenced blocks of this language, each with its line.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        if let Some(info) = line.strip_prefix("```")
            && !info.is_empty()
        {
            let body: Vec<&str> = lines
                .by_ref()
                .map(|(line, _)| line)
                .take_while(|line| *line != "```")
                .collect();
            if info == language {
                found.push((number, body.join("\n")));
            }
        }
    }
    found
}

#[test]
fn every_databases_toml_is_valid() {
    let mut count = 0;
    for (path, text) in documents() {
        for (line, block) in blocks(&text, "toml") {
            if block.starts_with("[dependencies]") {
                continue;
            }
            count += 1;
            let diagnostics = if path.ends_with("docs/values-and-secrets.md") {
                // A file of values, laid over the repository's own.
                let own = std::fs::read_to_string(root().join("databases.toml")).unwrap();
                let shape = registry_config::load(&own, "databases.toml").shape;
                registry_config::config_file(&shape, &block, "values.toml").diagnostics
            } else {
                registry_config::load(&block, "databases.toml").diagnostics
            };
            let said: Vec<String> = diagnostics
                .iter()
                .map(|diagnostic| diagnostic.render("databases.toml"))
                .collect();
            assert!(said.is_empty(), "{}:{line}:\n{}", path.display(), said.join("\n"));
        }
    }
    assert!(count > 10, "only {count} were found");
}

#[test]
fn every_link_leads_to_a_file() {
    let mut count = 0;
    for (path, text) in documents() {
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.contains(' ') {
                continue;
            }
            count += 1;
            let file = path.parent().unwrap().join(target);
            assert!(file.exists(), "{}: no {target}", path.display());
        }
    }
    assert!(count > 10, "only {count} were found");
}

/// The keys of `docs/format.md` are those of the backend table.
#[test]
fn the_table_of_keys_has_them_all() {
    let text = std::fs::read_to_string(root().join("docs/format.md")).unwrap();
    for backend in registry_config::backends() {
        for key in backend.keys {
            let written = format!("`{}`", key.path);
            assert!(
                text.lines()
                    .any(|line| line.starts_with('|') && line.contains(&written)),
                "docs/format.md has no row of `{}` ({})",
                key.path,
                backend.name
            );
        }
    }
}
