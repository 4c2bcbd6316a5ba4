//! The mark of a database: what it protects from, who writes it, and what nobody takes off.

use crate::protection::{DESTROYING, filled, holds, migrations, refused};
use crate::scene::{Scene, bad, execute, good, is_refused, number, root, run};
use dbreg::tasks::Verb;

#[tokio::test]
async fn the_mark_in_the_database_itself_counts_whatever_the_file_says() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    for profile in ["production", "live"] {
        execute(&mut session, "drop database if exists shop").await;
        let scene = Scene::mysql(&server, "shop").with(
            "[profile.production.mysql.main]\ntimeout = \"9s\"\n[profile.live]\nprotected = true\n[profile.dev.mysql.main]\ntimeout = \"8s\"\n",
        );
        migrations(&scene);
        let in_profile = || {
            scene
                .builder()
                .profile(profile)
                .i_know_this_destroys("mysql.main")
        };
        good(run(&in_profile().build().unwrap(), Verb::Build).await);
        // Another file, which knows nothing of it.
        let innocent = Scene::mysql(&server, "shop").with("[profile.dev.mysql.main]\ntimeout = \"8s\"\n");
        migrations(&innocent);
        let why = format!("`environment = {profile}`");
        holds(&server, || innocent.builder(), &why).await;
        // Migrating in another profile does not wash it off.
        good(run(&innocent.builder().profile("dev").build().unwrap(), Verb::Migrate).await);
        holds(&server, || innocent.builder().profile("dev"), &why).await;
        // Nor does what a verb leaves behind.
        let known = || {
            innocent
                .builder()
                .i_know_this_destroys("mysql.main")
                .build()
                .unwrap()
        };
        good(run(&known(), Verb::Clear).await);
        refused(&innocent.tasks(), Verb::Fill, &why).await;
        good(run(&known(), Verb::Purge).await);
        refused(&innocent.tasks(), Verb::Build, &why).await;
        good(run(&known(), Verb::Drop).await);
        good(run(&innocent.tasks(), Verb::Build).await);
    }
}

#[tokio::test]
async fn a_connection_that_is_protected_by_itself_marks_its_database_too() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = Scene::mysql(&server, "shop").with("protected = true\n");
    migrations(&scene);
    let known = scene.builder().i_know_this_destroys("mysql.main");
    good(run(&known.build().unwrap(), Verb::Build).await);
    // By a name that nobody can know for the same server.
    let innocent = Scene::mysql(&server, "shop");
    migrations(&innocent);
    holds(&server, || innocent.builder(), "marked as protected").await;
    let mut session = root(&server).await;
    execute(
        &mut session,
        "delete from shop._dbreg_metadata where name = 'environment'",
    )
    .await;
    holds(&server, || innocent.builder(), "marked as protected").await;
}

#[tokio::test]
async fn an_unprotected_database_becomes_protected_at_a_later_migrate() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = filled(&server, "[profile.production.mysql.main]\ntimeout = \"9s\"\n").await;
    let mut session = root(&server).await;
    let environment =
        "select count(*) from shop._dbreg_metadata where name = 'environment' and value = 'default'";
    assert_eq!(number(&mut session, environment).await, 1);
    good(
        run(
            &scene.builder().profile("production").build().unwrap(),
            Verb::Migrate,
        )
        .await,
    );
    holds(&server, || scene.builder(), "marked `environment = production`").await;
}

/// Whoever comes second, and whatever the other has seen: the mark that protects stands.
#[tokio::test]
async fn of_two_first_migrates_the_one_that_protects_leaves_its_mark() {
    const ROUNDS: usize = 8;
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    let scene = Scene::mysql(&server, "shop").with("[profile.live]\nprotected = true\n");
    migrations(&scene);
    let live = || scene.builder().profile("live").build().unwrap();
    for _ in 0..ROUNDS {
        execute(&mut session, "drop database if exists shop; create database shop").await;
        let (one, other) = (scene.tasks(), live());
        let (one, other) = tokio::join!(run(&one, Verb::Migrate), run(&other, Verb::Migrate));
        good(one);
        good(other);
        refused(&scene.tasks(), Verb::Drop, "`environment = live`").await;
    }
}

#[tokio::test]
async fn a_protected_connection_without_migrations_marks_its_database() {
    let server = registry_dev::mysql().await.unwrap();
    let mut session = root(&server).await;
    let scene = Scene::mysql(&server, "shop").with("[profile.live]\nprotected = true\n");
    let live = || scene.builder().profile("live").build().unwrap();
    // There is no database that could be marked, and that is no error.
    good(run(&live(), Verb::Migrate).await);
    execute(&mut session, "create database shop").await;
    good(run(&scene.tasks(), Verb::Migrate).await);
    let tables = "select count(*) from information_schema.tables where table_schema = 'shop'";
    assert_eq!(number(&mut session, tables).await, 0, "nothing protects it yet");
    good(run(&live(), Verb::Migrate).await);
    refused(&scene.tasks(), Verb::Drop, "`environment = live`").await;
    // Who may not write there has nothing to migrate all the same, and is told.
    execute(
        &mut session,
        "drop table shop._dbreg_metadata; create user clerk@'%' identified by ''; grant select on shop.* to clerk@'%'",
    )
    .await;
    let clerk = scene.builder().variable("DBREG_MYSQL__MAIN__USERNAME", "clerk");
    let report = run(&clerk.profile("live").build().unwrap(), Verb::Migrate).await;
    assert!(report.to_string().contains("not marked as protected"), "{report}");
    good(report);
}

/// A person may have written it.
#[tokio::test]
async fn a_mark_protects_unless_it_says_no() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = filled(&server, "").await;
    let mut session = root(&server).await;
    for change in [
        "update shop._dbreg_metadata set value = 'true' where name = 'protected'",
        "update shop._dbreg_metadata set value = 'YES' where name = 'protected'",
        "update shop._dbreg_metadata set value = ' Production' where name = 'environment'",
    ] {
        execute(&mut session, change).await;
        let report = run(&scene.tasks(), Verb::Drop).await;
        assert!(is_refused(&report), "{change}: {report}");
        let back = "update shop._dbreg_metadata set value = if(name = 'protected', ' NO', 'default')";
        execute(&mut session, back).await;
    }
    good(run(&scene.tasks(), Verb::Clear).await);
}

#[tokio::test]
async fn a_mark_that_cannot_be_read_refuses() {
    let server = registry_dev::mysql().await.unwrap();
    let scene = filled(&server, "[sqlite.local]\npath = \"$/app.db\"\n").await;
    good(run(&scene.builder().only("sqlite").build().unwrap(), Verb::Create).await);
    let mut session = root(&server).await;
    execute(
        &mut session,
        "alter table shop._dbreg_metadata rename column value to other",
    )
    .await;
    for verb in DESTROYING {
        let report = run(&scene.tasks(), verb).await;
        assert!(is_refused(&report), "{report}");
        assert!(bad(&report).contains("the mark of the database cannot be read"));
    }
    // Nor one that the account may not see: it has a right to drop, and none to read.
    execute(
        &mut session,
        "alter table shop._dbreg_metadata rename column other to value; \
         create user clerk@'%' identified by ''; grant drop, create on shop.* to clerk@'%'",
    )
    .await;
    let clerk = || scene.builder().variable("DBREG_MYSQL__MAIN__USERNAME", "clerk");
    let report = run(&clerk().build().unwrap(), Verb::Drop).await;
    assert!(is_refused(&report), "{report}");
    let told = bad(&report);
    assert!(told.contains("the account needs the right to read it"), "{told}");
    assert!(!told.contains("--i-know-this-destroys"), "{told}");
    assert_eq!(report.exit_code(), 78);
    // Nor one that is hidden: the lists of the server leave out what an account has no right to.
    execute(
        &mut session,
        "create user picker@'%' identified by ''; grant all on shop.a to picker@'%'; \
         grant all on shop._dbreg_fixtures to picker@'%'",
    )
    .await;
    let picker = || scene.builder().variable("DBREG_MYSQL__MAIN__USERNAME", "picker");
    for verb in DESTROYING {
        let report = run(&picker().build().unwrap(), verb).await;
        assert!(is_refused(&report), "{verb}: {report}");
        let told = bad(&report);
        assert!(
            told.contains("the account needs the right to read it"),
            "{verb}: {told}"
        );
    }
    assert_eq!(number(&mut session, "select id from shop.a").await, 7);
    // The others neither: nothing is done to any.
    assert!(scene.path("app.db").exists());
}
