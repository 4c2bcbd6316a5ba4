//! Editing, creating and deleting the file rebuilds; nothing else does.

use crate::scratch::Scratch;

const ONE: &str = "[memcached.main]\nhost = \"c1\"\n";

/// What cargo says about this crate, or that it is fresh.
fn build(scratch: &Scratch) -> Result<bool, String> {
    let output = scratch.cargo(&["build"]);
    let text = String::from_utf8(output.stderr).unwrap();
    if output.status.success() {
        Ok(text.contains("Compiling rebuilds"))
    } else {
        Err(text)
    }
}

#[test]
fn an_edit_of_the_file_rebuilds_and_nothing_else_does() {
    let scratch = Scratch::with_memcached("rebuilds");
    scratch.file(
        "src/lib.rs",
        "#[derive(dbreg::DbRegistry)]\n#[registry(path = \"config/db.toml\")]\npub struct App;\n\
                                pub fn f(db: &AppRegistry) { let _ = &db.memcached.main; }\n",
    );

    let missing = build(&scratch).unwrap_err();
    assert!(missing.contains("config/db.toml: no such file in "), "{missing}");

    scratch.file("config/db.toml", ONE);
    assert_eq!(build(&scratch), Ok(true), "created");
    assert_eq!(build(&scratch), Ok(false), "nothing changed");

    scratch.file("config/db.toml", &ONE.replace("main", "other"));
    let renamed = build(&scratch).unwrap_err();
    assert!(renamed.contains("no field `main`"), "{renamed}");

    scratch.file("config/db.toml", ONE);
    assert_eq!(build(&scratch), Ok(true), "edited");

    std::fs::remove_file(scratch.folder().join("config/db.toml")).unwrap();
    let deleted = build(&scratch).unwrap_err();
    assert!(deleted.contains("config/db.toml: no such file in "), "{deleted}");
}
