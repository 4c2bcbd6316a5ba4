//! Whatever one character does to a file, no secret of it is printed.

use proptest::prelude::*;
use registry_config::load;
use std::sync::LazyLock;

/// Every canary holds this, and nothing else in the file does.
const CANARY: &str = "hunter";

/// The reference with secrets in every place where people put them.
static FILE: LazyLock<String> = LazyLock::new(|| {
    let reference = include_str!("../reference.toml");
    let canaries = "
# hunter01 is the old password
# password = \"hunter02\"

[mysql.canary] # hunter03
username = \"shop\" # hunter04
password = \"hunter05\" # hunter06
host = \"db1\"

[mysql.url]
url = \"mysql://shop:hunter07@db1:3306/shop?hunter08=hunter09\"

[mysql.number]
host = \"db1\"
username = \"shop\"
password = [ \"hunter10\", 'hunter11' ]

[mysql.typo]
host = \"db1\"
username = \"shop\"
pasword = \"hunter12\"
password = { evn = \"hunter13\" }

[mongodb.url]
url = 'mongodb://shop:hunter14@m1,m2/logs'

[mongodb.key]
host = \"m1\"
db = \"logs\"
username = \"shop\"
password = { \"hunter15\" = \"hunter16\", file = \"hun ter\" }

[profile.production.mysql.canary]
password = 'hunter17'
url = \"hunter18://hunter19\"
";
    format!("{reference}{canaries}")
});

/// Lines that no parser understands.
const MALFORMED: &[&str] = &[
    "password = \"hunter20",
    "password = hunter21",
    "password = \"hunter\"22",
    "password = \"a\"hunter23\"",
    "password \"hunter24\"",
    "password: hunter25",
    "password = 12hunter26",
    "password = {env = \"hunter27",
    "password = {hunter28}",
    "password = {hunter29 = 1",
    "password = [hunter30",
    "password = \"\\hunter31\"",
    "password = \"\"\"hunter32",
    "password = '''hunter33\nhunter34 = 1\n[mysql.hunter35]\nhunter36 = 2",
    "url = mysql://shop:hunter37@db1/shop",
    "hunter38",
    "\"hunter39",
    "password = 2020-hunter40",
    "password = \"\u{1}hunter41\"",
    "password = \"a\" \"hunter42\"",
    "password = { env = \"A\", hunter43 = \"b\", hunter43 = \"c\" }",
];

fn check(source: &str) {
    for found in load(source, "databases.toml").diagnostics {
        let text = format!("{}\n{found:?}", found.render("databases.toml"));
        assert!(!text.contains(CANARY), "{text}\n\nof:\n{source}");
        assert!(found.position.is_some(), "{text}");
    }
}

/// A section of its own for each mutation would take minutes: each is checked with what stands near it.
fn around(at: usize) -> (&'static str, usize) {
    let file = FILE.as_str();
    let start = file[..at]
        .rfind("\n[")
        .map_or(0, |start| file[..start].rfind("\n[").map_or(0, |start| start + 1));
    let after = file[at..].find("\n[").map_or(file.len(), |end| {
        let next = at + end + 2;
        file[next..].find("\n[").map_or(file.len(), |end| next + end + 1)
    });
    (&file[start..after], at - start)
}

#[test]
fn the_file_itself() {
    check(&FILE);
}

#[test]
fn any_one_character_deleted() {
    for (at, c) in FILE.char_indices() {
        let (text, at) = around(at);
        check(&format!("{}{}", &text[..at], &text[at + c.len_utf8()..]));
    }
}

#[test]
fn any_one_character_changed() {
    for (at, c) in FILE.char_indices() {
        let (text, at) = around(at);
        for by in [
            '"', '\'', '=', '\n', '#', '{', '}', '[', ']', ',', '.', ' ', '\\', '@', '\u{0}',
        ] {
            check(&format!("{}{by}{}", &text[..at], &text[at + c.len_utf8()..]));
        }
    }
}

#[test]
fn malformed_lines() {
    let inline = "[mysql.a]\nhost = \"db1\"\nusername = \"a\"\n";
    for line in MALFORMED {
        check(&format!("{inline}{line}"));
        check(&format!(
            "{inline}{line}\ndb = \"x\"\n\n[mysql.b]\nhost = \"db1\"\nhunt = 1\n"
        ));
        check(&format!("{line}\n{inline}"));
        check(&format!(
            "{inline}pool = {{ max = 0 }}\n{line}\n[mysql.b]\n{line}\n"
        ));
        check(&format!("{inline}{}\n", line.replace('\n', "\r\n")));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_one_character_changed_to_any_other(at in any::<prop::sample::Index>(), by in any::<char>()) {
        let places: Vec<(usize, char)> = FILE.char_indices().collect();
        let (at, c) = places[at.index(places.len())];
        check(&format!("{}{by}{}", &FILE[..at], &FILE[at + c.len_utf8()..]));
    }
}

#[test]
fn malformed_lines_with_one_character_changed() {
    // Text of several lines that lost its quotes is headers and keys: nothing tells them from others. A bare word that
    // gets an `=` is a key, and the names of keys are told.
    let lines = MALFORMED
        .iter()
        .filter(|line| !line.contains('\n') && (line.starts_with("password") || line.starts_with("url")));
    for line in lines {
        for (at, c) in line.char_indices() {
            for by in ['"', '\'', '=', '\n', '#', '{', '}', '[', ',', '.', ' ', '\\'] {
                let line = format!("{}{by}{}", &line[..at], &line[at + c.len_utf8()..]);
                check(&format!(
                    "[mysql.a]\nhost = \"db1\"\nusername = \"a\"\n{line}\ndb = \"x\"\n\n[mysql.b]\nhost = \"db1\"\n"
                ));
            }
        }
    }
}

#[test]
fn a_key_that_stands_twice_within_braces_is_not_named() {
    for value in [
        "{\n hunter1 = 1,\n hunter1 = 2\n}",
        "{ env = \"A\",\nhunter1 = \"b\",\nhunter1 = \"c\" }",
        "[ { hunter1 = 1,\nhunter1 = 2 } ]",
        "{ env = \"\"\"\n}\n\"\"\",\nhunter1 = 1,\nhunter1 = 2 }",
        "{ env = '''\n}\n''',\nhunter1 = 1,\nhunter1 = 2 }",
        "{ env = '}', # }\nhunter1 = \"\\\"}\",\nhunter1 = 2 }",
        "'}' # }\nusername = { env = \"A\",\nhunter1 = 1,\nhunter1 = 2 }",
    ] {
        check(&format!("[mysql.a]\nhost = \"db1\"\npassword = {value}\n"));
    }
    let twice = load("[mysql.a]\nhost = \"db1\"\nhost = \"db2\"\n", "databases.toml").diagnostics;
    assert!(twice[0].message.contains("`host` stands twice"), "{twice:?}");
}
