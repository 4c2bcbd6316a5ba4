//! The house: the direction of the crates, the length of files, and what a backend must bring along.

#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The longest file, in lines.
const LONGEST: usize = 500;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The direct dependencies of each crate of the workspace, without those for its tests.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    let direct = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap();
        all.iter().filter(|one| one["kind"] != "dev").map(name).collect()
    };
    packages
        .iter()
        .map(|package| (name(package), direct(package)))
        .collect()
}

#[test]
fn the_crates_look_in_one_direction() {
    let all = dependencies();
    for (name, ours) in [
        (
            "dbreg",
            // registry-dev for the feature `test` alone.
            &[
                "registry-config",
                "registry-core",
                "registry-dev",
                "registry-macros",
            ][..],
        ),
        ("registry-config", &[]),
        ("registry-macros", &["registry-config"]),
        ("registry-core", &["registry-config"]),
        ("registry-dev", &[]),
        (
            "registry-cli",
            &["registry-config", "registry-core", "registry-dev"],
        ),
        ("registry-bench", &["dbreg", "registry-dev"]),
    ] {
        let found: Vec<&str> = all[name]
            .iter()
            .map(String::as_str)
            .filter(|other| all.contains_key(*other))
            .collect();
        assert_eq!(found, ours, "{name}");
    }
    assert_eq!(all.len(), 7, "a crate that this test does not know: {all:?}");
}

#[test]
fn the_macro_and_the_format_know_no_driver() {
    let all = dependencies();
    for name in ["registry-config", "registry-macros"] {
        for heavy in ["tokio", "sqlx", "mongodb", "memcache-async", "serde"] {
            assert!(!all[name].contains(heavy), "{name} depends on {heavy}");
        }
    }
    assert!(!all["registry-config"].contains("syn"));
    assert!(!all["registry-dev"].contains("sqlx"));
}

/// Every file below that the pattern accepts, without what cargo builds.
fn files(below: &Path, wanted: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "target" && name != ".git" {
                files(&path, wanted, found);
            }
        } else if wanted(&path) {
            found.push(path);
        }
    }
}

#[test]
fn no_file_is_too_long() {
    let mut sources = Vec::new();
    let is_source = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
    files(root(), &is_source, &mut sources);
    assert!(sources.len() > 100, "found only {}", sources.len());
    for path in sources {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(
            lines <= LONGEST,
            "{} has {lines} lines, {LONGEST} at most",
            path.display()
        );
    }
}

#[test]
fn a_backend_brings_everything_along() {
    let manifest = read("Cargo.toml");
    let core = read("registry-core/Cargo.toml");
    let gate = read("src/gate.rs");
    let facade = read("src/lib.rs");
    let contract = read("tests/contract.rs");
    let reference = read("registry-config/reference.toml");
    for spec in registry_config::backends() {
        let name = spec.name;
        assert!(
            reference.contains(&format!("[{name}.")),
            "reference.toml has no connection of {name}"
        );
        let feature = format!("\n{name} = [");
        assert!(manifest.contains(&feature), "Cargo.toml: no feature {name}");
        assert!(
            core.contains(&feature),
            "registry-core/Cargo.toml: no feature {name}"
        );
        assert!(
            gate.contains(&format!("gate!($ \"{name}\" __gate_{name});")),
            "src/gate.rs: no gate of {name}"
        );
        assert!(
            facade.contains(&format!("pub use registry_core::{};", spec.handle)),
            "src/lib.rs does not export {}",
            spec.handle
        );
        // How a session is made, where that is not shared.
        let way = match name {
            "mysql" | "postgres" => "hosted.rs",
            _ => "open.rs",
        };
        for file in ["mod.rs", way, "error.rs"] {
            let path = format!("registry-core/src/adapters/{name}/{file}");
            assert!(root().join(&path).is_file(), "{path} is missing");
        }
        let tests = [format!("tests/{name}.rs"), format!("tests/{name}/main.rs")];
        assert!(
            tests.iter().any(|test| root().join(test).is_file()),
            "{} is missing",
            tests[0]
        );
        assert!(
            contract.contains(&format!("[{name}.")),
            "tests/contract.rs does not run on {name}"
        );
    }
}
