//! `dbreg init`.

use crate::program::{dbreg, printed};
use std::path::Path;

fn file(path: &Path) -> &str {
    path.to_str().expect("a path of ASCII")
}

#[test]
fn it_writes_a_file_that_check_accepts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("databases.toml");
    let output = printed(&dbreg(&["init", "--backend", "sqlite,mysql", file(&path)]));
    assert!(
        output.contains("--features mysql,sqlite") && output.ends_with("status 0"),
        "{output}"
    );
    insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap());
    let checked = printed(&dbreg(&["check", file(&path), "--deny", "warnings"]));
    assert!(checked.contains("2 connections, no mistakes"), "{checked}");
}

#[test]
fn it_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("databases.toml");
    std::fs::write(&path, "# mine\n").unwrap();
    let output = printed(&dbreg(&["init", file(&path)]));
    assert!(
        output.contains("is there already") && output.ends_with("status 2"),
        "{output}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "# mine\n");
    #[cfg(unix)]
    {
        // A link that leads nowhere is a file of somebody, too.
        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink(folder.path().join("elsewhere.toml"), &link).unwrap();
        assert!(printed(&dbreg(&["init", file(&link)])).ends_with("status 2"));
        assert!(!folder.path().join("elsewhere.toml").exists());
    }
}

#[test]
fn in_a_pipe_it_asks_nothing() {
    let output = printed(&dbreg(&["init", "-"]));
    assert!(
        output.contains("\n[mysql.main]\n") && output.ends_with("status 0"),
        "{output}"
    );
}

#[test]
fn a_wrong_backend_is_answered_with_the_nearest_right_one() {
    let output = printed(&dbreg(&["init", "--backend", "mysql,memcache", "-"]));
    assert!(
        output.contains("did you mean `memcached`") && output.ends_with("status 2"),
        "{output}"
    );
}
