//! Several servers of MariaDB or MySQL, of which one is the primary and the others replicate it.

use super::{CATCH_UP, FAREWELL, POLL, Replicated};
use crate::Error;
use crate::flavor::Flavor;
use crate::mysql::{MySqlOptions, MySqlServer, mysql_with};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const WRITABLE: &str = "SET GLOBAL read_only = OFF;\n";
const READ_ONLY: &str = "SET GLOBAL read_only = ON;\n";

/// Servers of MariaDB or MySQL with replication by GTID between them: server 0 is the primary at first, the others are its
/// replicas and refuse the writes of accounts without `READ ONLY ADMIN` (`read_only = ON`).
///
/// Each server stops, starts, hangs and dies by its own methods. It comes back in the role that it had: a primary
/// writable, and a replica, or a primary that was replaced by [`promote`](Self::promote) meanwhile, read only.
///
/// A write is acknowledged when a replica has received it, or when none listens: it is there after a kill of its
/// primary and the promotion of another. That none listens is known at once when replicas were stopped; when they were killed
/// or paused, the next write waits 5 to 10 s to find out.
#[derive(Debug)]
pub struct MySqlReplicated {
    all: Replicated<MySqlServer>,
}

impl std::ops::Deref for MySqlReplicated {
    type Target = Replicated<MySqlServer>;

    fn deref(&self) -> &Replicated<MySqlServer> {
        &self.all
    }
}

/// Starts this many servers, one primary and its replicas, and returns when they replicate.
///
/// # Errors
/// As [`mysql`](crate::mysql), and `Command` when only Docker is there.
///
/// # Panics
/// With no server at all.
pub async fn mysql_replicated(servers: usize) -> Result<MySqlReplicated, Error> {
    let flavor = crate::mysql::flavor().await?;
    let starting = (0..servers).map(|index| mysql_with(options(flavor, index)));
    let all = MySqlReplicated {
        all: Replicated::start(starting).await?,
    };
    let account = "create user replication@'127.0.0.1' identified by 'replication';
        grant replication slave on *.* to replication@'127.0.0.1';";
    all.primary().sql(account).await?;
    for index in 1..servers {
        all.follow(index, 0).await?;
        all.caught_up(index).await?;
    }
    all.listeners(servers - 1).await?;
    Ok(all)
}

fn options(flavor: Flavor, index: usize) -> MySqlOptions {
    let options = MySqlOptions::default()
        .arg(format!("--server-id={}", index + 1))
        .at_start(if index == 0 { WRITABLE } else { READ_ONLY });
    flavor.replicates(options)
}

impl MySqlReplicated {
    fn flavor(&self) -> Flavor {
        self.servers[0].flavor()
    }

    /// Creates a database and a user who may do everything in it, and may ask how far replication is
    /// (`REPLICA MONITOR`, or `REPLICATION CLIENT` of MySQL). Returns when every server that replicates has both.
    pub async fn create_database(&self, name: &str, user: &str, password: &str) -> Result<(), Error> {
        self.primary().create_database(name, user, password).await?;
        let user = user.replace('\\', "\\\\").replace('\'', "''");
        let may_look = self.flavor().may_look();
        let grant = format!("grant {may_look} on *.* to '{user}'@'%'");
        self.primary().sql(grant).await?;
        for index in self.others() {
            self.caught_up(index).await?;
        }
        Ok(())
    }

    /// Returns when this server has everything that the primary has now.
    ///
    /// # Errors
    /// `Command` when it has not after 30 s: its replication stands still, or the primary is away.
    pub async fn caught_up(&self, index: usize) -> Result<(), Error> {
        let position = self.primary().sql(self.flavor().position()).await?;
        self.reaches(index, position.trim()).await
    }

    /// Stops receiving and applying on this replica. What it has received and not applied it forgets, and receives
    /// again.
    pub async fn stop_replication(&self, index: usize) -> Result<(), Error> {
        self.servers[index].sql(self.flavor().stop("")).await.map(drop)
    }

    /// Receives and applies again on this replica, from where it stopped.
    pub async fn start_replication(&self, index: usize) -> Result<(), Error> {
        self.servers[index].sql(self.flavor().start("")).await.map(drop)
    }

    /// Stops applying on this replica, which goes on to receive: it falls behind until
    /// [`start_replication`](Self::start_replication), and tells no lag meanwhile (`Seconds_Behind_Master` is `NULL`).
    pub async fn stop_applying(&self, index: usize) -> Result<(), Error> {
        self.servers[index]
            .sql(self.flavor().stop("sql_thread"))
            .await
            .map(drop)
    }

    /// Applies again on this replica.
    pub async fn start_applying(&self, index: usize) -> Result<(), Error> {
        self.servers[index]
            .sql(self.flavor().start("sql_thread"))
            .await
            .map(drop)
    }

    /// Stops receiving on this replica, which applies what it has received.
    pub async fn stop_receiving(&self, index: usize) -> Result<(), Error> {
        self.servers[index]
            .sql(self.flavor().stop("io_thread"))
            .await
            .map(drop)
    }

    /// Receives again on this replica.
    pub async fn start_receiving(&self, index: usize) -> Result<(), Error> {
        self.servers[index]
            .sql(self.flavor().start("io_thread"))
            .await
            .map(drop)
    }

    /// Applies everything this much later, in whole seconds, on this replica, which tells its growing lag. Zero ends it.
    pub async fn delay(&self, index: usize, by: Duration) -> Result<(), Error> {
        let flavor = self.flavor();
        let (stop, delay, start) = (flavor.stop(""), flavor.delay(by), flavor.start(""));
        let statements = format!("{stop}; {delay}; {start};");
        self.servers[index].sql(statements).await.map(drop)
    }

    /// Makes this server the primary. The primary so far takes no more writes, when it answers within 5 s, and is a
    /// replica afterwards. When it does not answer it is left as it is, and is read only after its next start: kill it
    /// first if it hangs, or it takes writes that are lost.
    ///
    /// The new primary first gets everything that any server that lives has received, so that no write is lost that was
    /// acknowledged. Then it takes writes, and the others follow it.
    ///
    /// # Errors
    /// `Command` when a server that lives does not follow.
    ///
    /// # Panics
    /// When there is no server of this number.
    pub async fn promote(&self, index: usize) -> Result<(), Error> {
        let (old, new) = (self.primary_index(), &self.servers[index]);
        if old == index {
            return Ok(());
        }
        let farewell = async {
            let old = &self.servers[old];
            old.set_at_start(READ_ONLY)?;
            old.sql(READ_ONLY).await?;
            self.caught_up(index).await
        };
        let old_lives = self.servers[old].pid().is_some()
            && tokio::time::timeout(FAREWELL, farewell)
                .await
                .is_ok_and(|asked| asked.is_ok());
        self.servers[old].set_at_start(READ_ONLY)?;
        let living: Vec<usize> = self.living().collect();
        for replica in &living {
            self.apply_received(*replica).await?;
        }
        for other in living
            .iter()
            .copied()
            .filter(|other| *other != index && !old_lives)
        {
            let position = self.servers[other].sql(self.flavor().position()).await?;
            self.follow(index, other).await?;
            self.reaches(index, position.trim()).await?;
        }
        let flavor = self.flavor();
        new.sql(format!("{}; {}", flavor.stop(""), flavor.forget_leader()))
            .await?;
        new.set_at_start(WRITABLE)?;
        new.sql(WRITABLE).await?;
        self.primary.store(index, Ordering::SeqCst);
        let mut followers = 0;
        for other in living.into_iter().chain(old_lives.then_some(old)) {
            if other != index {
                self.follow(other, index).await?;
                followers += 1;
            }
        }
        self.listeners(followers).await
    }

    /// Makes this server a replica of the primary: one that was the primary before it was killed, say. It is started
    /// when it does not run. Where it has writes that the primary never got, it begins anew, without any data of its own.
    ///
    /// # Errors
    /// `Command` when it does not follow.
    ///
    /// # Panics
    /// When it is the primary: promote another first.
    pub async fn rejoin(&self, index: usize) -> Result<(), Error> {
        assert_ne!(index, self.primary_index(), "the primary cannot follow itself");
        let server = &self.servers[index];
        server.set_at_start(READ_ONLY)?;
        server.start().await?;
        server.sql(READ_ONLY).await?;
        self.follow(index, self.primary_index()).await?;
        if self.has_diverged(index).await? {
            server.start_as_new().await?;
            if let Some(statement) = self.flavor().renumber(index) {
                server.set_at_start(&format!("{READ_ONLY}{statement};\n"))?;
                server.sql(statement).await?;
            }
            self.follow(index, self.primary_index()).await?;
        }
        self.caught_up(index).await
    }

    /// Points a server at another.
    async fn follow(&self, index: usize, leader: usize) -> Result<(), Error> {
        let statements = self.flavor().follow(self.servers[leader].port());
        self.servers[index].sql(statements).await.map(drop)
    }

    /// Lets a replica apply what it has received, and receive no more.
    async fn apply_received(&self, index: usize) -> Result<(), Error> {
        let (server, flavor) = (&self.servers[index], self.flavor());
        // In this order: a server where both stand still forgets what it has received when the first of them starts.
        server
            .sql(format!(
                "{}; {}",
                flavor.start("sql_thread"),
                flavor.stop("io_thread")
            ))
            .await?;
        let received = self.status(index, "Gtid_IO_Pos").await?;
        self.reaches(index, &received).await
    }

    async fn reaches(&self, index: usize, position: &str) -> Result<(), Error> {
        let statement = self.flavor().wait(position, CATCH_UP);
        let answer = self.servers[index].sql(&statement).await?;
        if answer.trim() == "0" {
            return Ok(());
        }
        let cause = format!("server {index} has not reached `{position}` after {CATCH_UP:?}");
        Err(Error::command(statement, cause))
    }

    /// What a server says of its replication.
    async fn status(&self, index: usize, column: &str) -> Result<String, Error> {
        let flavor = self.flavor();
        let status = self.servers[index].row(&flavor.status()).await?;
        // A client that prints in lines writes a line break of MySQL's lists as `\n`.
        Ok(self::column(&status, &flavor.column(column)).replace("\\n", ""))
    }

    /// Waits until this many replicas listen to the primary, so that writes wait for one of them.
    async fn listeners(&self, number: usize) -> Result<(), Error> {
        let deadline = Instant::now() + CATCH_UP;
        loop {
            let found = self.primary().row(self.flavor().listeners()).await?;
            let found = column(&found, "Value");
            if found.parse::<usize>().is_ok_and(|found| found >= number) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let cause = format!("{found} of {number} replicas listen to the primary");
                return Err(Error::command("show status", cause));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Whether a server that just began to follow cannot, because it has what its leader has not.
    async fn has_diverged(&self, index: usize) -> Result<bool, Error> {
        if self.flavor() == Flavor::MySql {
            return self.has_more_than_the_primary(index).await;
        }
        let deadline = Instant::now() + CATCH_UP;
        loop {
            for errors in ["Last_IO_Errno", "Last_SQL_Errno"] {
                if self.status(index, errors).await? != "0" {
                    return Ok(true);
                }
            }
            if self.status(index, "Slave_IO_Running").await? == "Yes" {
                return Ok(false);
            }
            if Instant::now() > deadline {
                let cause = "the replica does not reach its primary";
                return Err(Error::command(self.flavor().status(), cause));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// MySQL follows all the same, and stays another than its primary.
    async fn has_more_than_the_primary(&self, index: usize) -> Result<bool, Error> {
        let own = self.servers[index].sql(self.flavor().position()).await?;
        let others = self.primary().sql(self.flavor().position()).await?;
        let statement = format!(
            "select gtid_subtract('{}', '{}') <> ''",
            own.trim(),
            others.trim()
        );
        Ok(self.primary().sql(statement).await?.trim() == "1")
    }
}

/// The value of a column; empty where it is missing.
fn column(row: &[(String, String)], name: &str) -> String {
    let found = row.iter().find(|(column, _)| column == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}
