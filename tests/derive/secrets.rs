//! The text of the file is nowhere in `target/` and in nothing that the compiler prints, in debug and in release.
//! rustc promises neither, so this looks at what is there.

use crate::scratch::Scratch;
use std::path::Path;

/// The three canaries stand in a comment, in a reference's neighbourhood and in a line that does not parse.
const RIGHT: &str = "# canary-comment\n[memcached.main]\nhost = \"c1\" # canary-beside\n[memcached.other]\nhost = \"c2\"\n\
                     # canary-end\n";
const WRONG: &[(&str, &str)] = &[
    ("an unclosed quote", "password = \"canary-unclosed\n"),
    ("a bare word", "password = canary-bare\n"),
    ("a literal password", "password = \"canary-literal\"\n"),
    ("a number", "password = 4815162342\n"),
    ("a key with a typo", "pasword = \"canary-typo\"\n"),
    ("a URL", "url = \"mysql://shop:canary-url@db1/shop\"\n"),
    ("an inline table", "password = { evn = \"canary-table\" }\n"),
];

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found)
        } else {
            found.push(path)
        }
    }
}

fn assert_clean(what: &str, bytes: &[u8]) {
    for canary in [&b"canary-"[..], b"4815162342"] {
        let found = bytes.windows(canary.len()).position(|window| window == canary);
        if let Some(at) = found {
            let around = &bytes[at.saturating_sub(40)..(at + 60).min(bytes.len())];
            panic!("{what}: {}", String::from_utf8_lossy(around));
        }
    }
}

fn assert_target_is_clean(scratch: &Scratch, name: &str) {
    let mut found = Vec::new();
    files(scratch.target(), &mut found);
    let stem = name.replace('-', "_");
    let is_ours = |path: &&std::path::PathBuf| {
        let path = path.to_string_lossy();
        path.contains(&stem) || path.contains(name)
    };
    let ours: Vec<_> = found.iter().filter(is_ours).collect();
    assert!(
        ours.iter()
            .any(|path| path.extension().is_some_and(|extension| extension == "rmeta")),
        "{found:?}"
    );
    for path in ours {
        assert_clean(&path.display().to_string(), &std::fs::read(path).unwrap());
    }
}

#[test]
fn a_file_that_is_right() {
    let name = "secrets-right";
    let scratch = Scratch::with_memcached(name);
    scratch
        .file("databases.toml", RIGHT)
        .file("src/lib.rs", "#[derive(dbreg::DbRegistry)]\npub struct App;\n")
        .file(
            "src/main.rs",
            "#[derive(dbreg::DbRegistry)]\npub struct App;\nfn main() { drop(App::connect()); }\n",
        );
    for profile in ["dev", "release"] {
        let output = scratch.cargo(&["build", "--verbose", "--profile", profile]);
        let printed = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&printed));
        assert_clean("the compiler", &printed);
    }
    assert_target_is_clean(&scratch, name);
}

#[test]
fn files_that_are_wrong() {
    let name = "secrets-wrong";
    let scratch = Scratch::with_memcached(name);
    scratch.file("src/lib.rs", "");
    for (i, (_, line)) in WRONG.iter().enumerate() {
        let path = format!("wrong{i}.toml");
        scratch.file(
            &path,
            &format!(
                "# canary-comment\n[mysql.main]\nusername = \"shop\"\n{line}[mysql.other]\nhost = \"db2\"\n"
            ),
        );
        let source = format!(
            "#[derive(dbreg::DbRegistry)]\n#[registry(path = \"{path}\")]\npub struct App;\nfn main() {{}}\n"
        );
        scratch.file(&format!("src/bin/wrong{i}.rs"), &source);
    }
    for profile in ["dev", "release"] {
        let output = scratch.cargo(&["build", "--keep-going", "--verbose", "--profile", profile]);
        let printed = [output.stdout, output.stderr].concat();
        assert!(!output.status.success());
        for (i, (what, _)) in WRONG.iter().enumerate() {
            let told = String::from_utf8_lossy(&printed).contains(&format!("wrong{i}.toml:"));
            assert!(told, "{what}: {}", String::from_utf8_lossy(&printed));
        }
        assert_clean("the compiler", &printed);
    }
    assert_target_is_clean(&scratch, name);
}
