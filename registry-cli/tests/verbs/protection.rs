//! What refuses to be destroyed, and the one way around: the exact name.

use crate::program::{Project, status, text};
use crate::sqlite::{shop, users};

/// A shop whose database has the stored mark of production.
async fn production() -> Project {
    let databases =
        "[sqlite.local]\npath = \"app.db\"\n[profile.production.sqlite.local]\ntimeout = \"20s\"\n";
    let project = shop(databases);
    let known = [
        "--profile",
        "production",
        "--i-know-this-destroys",
        "sqlite.local",
    ];
    let output = project.dbreg(&[&["build"][..], &known].concat(), &[]).await;
    assert_eq!(status(&output), 0, "{}", text(&output));
    project
}

const DESTRUCTIVE: [&str; 6] = ["drop", "clear", "purge", "rebuild", "refill", "fill"];

#[tokio::test]
async fn nothing_that_destroys_goes_on_without_the_exact_name() {
    let project = production().await;
    let ways = [
        (&["--profile", "production"][..], &[][..]),
        (&[], &[("DBREG_PROFILE", "production")]),
        // Without the profile, the mark in the database itself.
        (&[], &[]),
        (&["--all-keys"], &[]),
    ];
    for verb in DESTRUCTIVE {
        for (options, variables) in ways {
            let takes_keys = matches!(verb, "clear" | "purge" | "refill");
            if options.contains(&"--all-keys") && !takes_keys {
                continue;
            }
            let output = project.dbreg(&[&[verb], options].concat(), variables).await;
            let words = text(&output);
            assert_eq!(status(&output), 78, "{verb} {options:?}: {words}");
            assert!(
                words.contains("--i-know-this-destroys sqlite.local"),
                "{verb}: {words}"
            );
            assert_eq!(
                users(project.path()).await.map(|names| names.len()),
                Some(2),
                "{verb} {options:?}"
            );
        }
        // The dry run says so, too.
        let output = project.dbreg(&[verb, "--dry-run"], &[]).await;
        assert!(text(&output).contains("REFUSED"), "{}", text(&output));
        assert_eq!(status(&output), 78);
    }
    let output = project.dbreg(&["rebuild", "--dry-run"], &[]).await;
    insta::assert_snapshot!(text(&output));
    // A name that is not exact is a mistake of the command line.
    let output = project
        .dbreg(&["drop", "--i-know-this-destroys", "sqlite.locla"], &[])
        .await;
    assert!(
        text(&output).contains("did you mean `sqlite.local`"),
        "{}",
        text(&output)
    );
    assert_eq!(status(&output), 2);
    // What destroys nothing goes on, with what is still to be applied.
    let output = project.dbreg(&["migrate"], &[]).await;
    assert_eq!(status(&output), 0, "{}", text(&output));
    let output = project.dbreg(&["migrate", "--revert"], &[]).await;
    assert_eq!(status(&output), 78, "{}", text(&output));
}

#[tokio::test]
async fn with_the_exact_name_it_does() {
    let project = production().await;
    let known = ["--i-know-this-destroys", "sqlite.local"];
    let output = project.dbreg(&[&["clear"][..], &known].concat(), &[]).await;
    assert_eq!(status(&output), 0, "{}", text(&output));
    assert_eq!(users(project.path()).await, Some(Vec::new()));
    let output = project.dbreg(&[&["drop"][..], &known].concat(), &[]).await;
    assert_eq!(status(&output), 0, "{}", text(&output));
    assert!(!project.path().join("app.db").exists());
}

#[tokio::test]
async fn a_key_protects_and_no_variable_takes_it_away() {
    let project = shop("[sqlite.local]\npath = \"app.db\"\nprotected = true\n");
    let migrated = async |verb: &str| {
        let output = project.dbreg(&[verb], &[]).await;
        assert_eq!(status(&output), 0, "{}", text(&output));
    };
    migrated("create").await;
    migrated("migrate").await;
    for verb in DESTRUCTIVE {
        let output = project.dbreg(&[verb], &[]).await;
        assert_eq!(status(&output), 78, "{verb}: {}", text(&output));
        let output = project
            .dbreg(&[verb], &[("DBREG_SQLITE__LOCAL__PROTECTED", "false")])
            .await;
        assert_eq!(status(&output), 78, "{verb}: {}", text(&output));
    }
    assert_eq!(users(project.path()).await, Some(Vec::new()));
}

#[tokio::test]
async fn a_foreign_database_is_nobodys_to_prepare() {
    let databases =
        "[sqlite.local]\npath = \"app.db\"\n[sqlite.foreign]\npath = \"foreign.db\"\ntasks = false\n";
    let project = shop(databases);
    let output = project.dbreg(&["build"], &[]).await;
    assert_eq!(status(&output), 0, "{}", text(&output));
    assert!(project.path().join("app.db").exists() && !project.path().join("foreign.db").exists());
    for way in [
        &["create", "sqlite.foreign"][..],
        &[
            "drop",
            "sqlite.foreign",
            "--i-know-this-destroys",
            "sqlite.foreign",
        ],
    ] {
        let output = project.dbreg(way, &[]).await;
        assert!(text(&output).contains("`tasks = false`"), "{}", text(&output));
        assert_eq!(status(&output), 2, "{}", text(&output));
    }
}
