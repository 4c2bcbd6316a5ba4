//! A password that is rotated, and a connection that is opened at its first use, with several hosts.

use crate::servers::{App, end_sessions, in_time, number, replica_answers, servers, until};
use dbreg::{SqlHostState, State, sqlx};
use registry_dev::MySqlReplicated;
use std::path::Path;

fn put(secret: &Path, password: &str) {
    let new = secret.with_extension("new");
    std::fs::write(&new, password).unwrap();
    std::fs::rename(&new, secret).unwrap();
}

/// The builder for a primary and a replica, with these further keys.
fn builder(
    servers: &MySqlReplicated,
    folder: &Path,
    more: &str,
) -> dbreg::Builder<crate::servers::AppRegistry> {
    let (primary, replica) = (servers.server(0).port(), servers.server(1).port());
    let text = format!(
        "[mysql.main]\nconnections = [{{ host = \"127.0.0.1\", port = {primary} }}, \
         {{ host = \"127.0.0.1\", port = {replica}, role = \"replica\" }}]\n{more}\n"
    );
    let path = folder.join("values.toml");
    std::fs::write(&path, text).unwrap();
    App::builder().config_file(path)
}

#[tokio::test]
async fn a_rotated_password_reaches_the_readers_and_the_looks() {
    let servers = servers(2).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    put(&secret, "a password");
    let login = format!(
        "username = \"shop\"\ndb = \"shop\"\npassword = {{ file = \"{}\" }}",
        secret.display()
    );
    let db = builder(&servers, folder.path(), &login).connect().await.unwrap();
    let reader = db.mysql.main.read();
    replica_answers(&reader).await;
    let alter = "alter user 'shop'@'%' identified by 'another'";
    servers.primary().sql(alter).await.unwrap();
    servers.caught_up(1).await.unwrap();
    put(&secret, "another");
    db.reload().await.unwrap();
    assert_eq!(number(&db.mysql.main).await.unwrap(), 0);
    // Every session, that of the looks too, is made anew.
    for index in [0, 1] {
        end_sessions(servers.server(index)).await;
    }
    replica_answers(&reader).await;
    until("a look at it", async || {
        db.mysql.main.hosts().unwrap()[1].state == SqlHostState::Fit
    })
    .await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn sessions_of_readers_and_of_looks_with_the_old_password_are_ended() {
    let servers = servers(2).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    put(&secret, "a password");
    let login = format!(
        "username = \"shop\"\ndb = \"shop\"\nfallback = false\nmax_lag = \"2s\"\npool = {{ max = 1 }}\npassword = {{ file = \"{}\" }}",
        secret.display()
    );
    let db = builder(&servers, folder.path(), &login).connect().await.unwrap();
    let reader = db.mysql.main.read();
    replica_answers(&reader).await;
    let sessions = async |which: &str| {
        let sessions = "from information_schema.processlist where user = 'shop'";
        let number = servers.server(1).sql(format!("select {which} {sessions}")).await;
        number.unwrap().trim().parse::<u64>().unwrap()
    };
    servers
        .primary()
        .sql("alter user 'shop'@'%' identified by 'another'")
        .await
        .unwrap();
    servers.caught_up(1).await.unwrap();
    until("a mistake that harms nobody", async || {
        let newest = sessions("max(id)").await;
        put(&secret, "another");
        db.reload().await.unwrap();
        until("every session at the replica is a new one", async || {
            // One reads all the while, and so needs no other session.
            assert!(in_time(number(&reader).await).is_none_or(|found| found == 1));
            sessions(&format!("count(*) = 2 and min(id) > {newest}")).await == 1
        })
        .await;
        // A mistake in the file harms nobody whose session works.
        let newest = sessions("max(id)").await;
        put(&secret, "a mistake");
        db.reload().await.unwrap_err();
        let mut reads = 0;
        while reads < 200 && in_time(number(&reader).await) == Some(1) {
            reads += 1;
        }
        let state = db.mysql.main.hosts().unwrap()[1].state;
        let harmless = reads == 200 && sessions("max(id)").await == newest && state == SqlHostState::Fit;
        if !harmless {
            // A look that took too long has lost its session, and gets no other with a mistake: once more from the beginning.
            put(&secret, "another");
            db.reload().await.unwrap();
            replica_answers(&reader).await;
        }
        harmless
    })
    .await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_replica_that_hears_of_the_new_password_later_has_new_sessions_then() {
    let servers = servers(2).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    put(&secret, "a password");
    let login = format!(
        "username = \"shop\"\ndb = \"shop\"\nfallback = false\npool = {{ max = 1 }}\npassword = {{ file = \"{}\" }}",
        secret.display()
    );
    let db = builder(&servers, folder.path(), &login).connect().await.unwrap();
    let reader = db.mysql.main.read();
    replica_answers(&reader).await;
    let replica = servers.server(1);
    let ask = async |question: &str| {
        let answer = replica.sql(question).await.unwrap();
        answer.split_whitespace().last().unwrap().parse::<u64>().unwrap()
    };
    let sessions = "from information_schema.processlist where user = 'shop'";
    let newest = ask(&format!("select max(id) {sessions}")).await;
    // Of MariaDB; MySQL counts them among others.
    let denied = "show global status where variable_name in ('Aborted_connects', 'Access_denied_errors')";
    let before = ask(denied).await;
    servers.stop_applying(1).await.unwrap();
    let alter = "alter user 'shop'@'%' identified by 'another'";
    servers.primary().sql(alter).await.unwrap();
    put(&secret, "another");
    db.reload().await.unwrap();
    until("it was refused", async || ask(denied).await > before).await;
    servers.start_applying(1).await.unwrap();
    until("every session at the replica is a new one", async || {
        let _ = number(&reader).await;
        let old = format!("select count(if(id <= {newest}, 1, null)) {sessions}");
        ask(&old).await == 0
    })
    .await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_lazy_connection_reads_from_a_replica_before_it_is_opened() {
    let servers = servers(2).await;
    let folder = tempfile::tempdir().unwrap();
    // A first look that takes its time is waited for: without a fallback, nobody turns to the primary instead.
    let more =
        "username = \"shop\"\ndb = \"shop\"\nstart = \"lazy\"\nfallback = false\nconnect_timeout = \"20s\"";
    let builder = builder(&servers, folder.path(), more);
    let db = builder
        .variable("DBREG_MYSQL__MAIN__PASSWORD", "a password")
        .connect()
        .await
        .unwrap();
    let main = &db.mysql.main;
    replica_answers(&main.read()).await;
    assert_eq!(main.status().state, State::Waiting, "nobody needed the primary");
    sqlx::query("insert into t values (1)")
        .execute(main)
        .await
        .unwrap();
    assert_eq!(main.status().state, State::Ready);
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_replica_that_refused_the_old_password_is_read_from_with_the_new_one() {
    let servers = servers(2).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    put(&secret, "a password");
    let more = format!(
        "username = \"shop\"\ndb = \"shop\"\nfallback = false\npassword = {{ file = \"{}\" }}",
        secret.display()
    );
    // The replica has it already, and the file does not.
    let alter = "set sql_log_bin = 0; alter user 'shop'@'%' identified by 'another'";
    servers.server(1).sql(alter).await.unwrap();
    let db = builder(&servers, folder.path(), &more).connect().await.unwrap();
    let reader = db.mysql.main.read();
    until("it is known to refuse the password", async || {
        number(&reader).await.unwrap_err();
        db.mysql.main.hosts().unwrap()[1].state == SqlHostState::Halted
    })
    .await;
    servers.primary().sql(alter).await.unwrap();
    put(&secret, "another");
    // Nobody reloads, and nobody writes.
    replica_answers(&reader).await;
    db.close().await.unwrap();
}

#[tokio::test]
async fn a_session_of_a_reader_in_the_place_of_one_that_grew_too_old_has_the_new_password() {
    let servers = servers(2).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    put(&secret, "a password");
    let more = format!(
        "username = \"shop\"\ndb = \"shop\"\nfallback = false\npool = {{ max = 1, max_lifetime = \"200ms\" }}\n\
         password = {{ file = \"{}\" }}",
        secret.display()
    );
    let db = builder(&servers, folder.path(), &more).connect().await.unwrap();
    let reader = db.mysql.main.read();
    let alter = async |password: &str| {
        let alter = format!("alter user 'shop'@'%' identified by '{password}'");
        servers.primary().sql(&alter).await.unwrap();
        servers.caught_up(1).await.unwrap();
    };
    // Several times, because somebody looks at the files once a second, too.
    for round in 0..3 {
        replica_answers(&reader).await;
        let idle_since = std::time::Instant::now();
        while idle_since.elapsed() < std::time::Duration::from_millis(250) {
            servers.server(1).sql("select 1").await.unwrap();
        }
        let password = format!("password {round}");
        alter(&password).await;
        put(&secret, &password);
        until("a read with the new password", async || {
            in_time(number(&reader).await).is_some_and(|found| found == 1)
        })
        .await;
    }
    db.close().await.unwrap();
}
