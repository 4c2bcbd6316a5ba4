//! PostgreSQL.

use crate::account::Account;
use crate::folder::Folder;
use crate::launch::{Launch, Place};
use crate::server::{Server, blocking};
use crate::{Error, Kind, Missing, Provider, cache, docker, find, run};
use rustix::process::Signal;
use std::fs::Permissions;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const IMAGE: &str = "postgres:15";
const ANSWER: Duration = Duration::from_secs(2);
const STATEMENT: Duration = Duration::from_secs(60);
const INITDB: Duration = Duration::from_secs(120);
/// Where versions are installed side by side, not on `PATH`.
const PARENTS: [&str; 4] = [
    "/usr/lib/postgresql",
    "/opt/homebrew/opt",
    "/usr/local/opt",
    "/home/linuxbrew/.linuxbrew/opt",
];
/// Raised whenever the commands below change what they write.
const LAYOUT: u32 = 3;

/// The file in the data folder that makes a server follow another one.
pub(crate) const STANDBY: &str = "standby.signal";

/// Small and quick rather than safe: the data are thrown away.
const SETTINGS: [&str; 9] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_wal_size=64MB",
    "password_encryption=scram-sha-256",
    // Files of the server's folder, which go with it: what is in /dev/shm would outlive a server that is killed.
    "dynamic_shared_memory_type=mmap",
    "logging_collector=off",
    "log_statement=none",
];

/// Who may log in: the superuser through the socket, which nobody else reaches; everyone else with a password. `md5` is
/// the method that takes those of `scram-sha-256` too, which `password_encryption` makes of them. `all` leaves out who
/// replicates.
const LOGINS: &str = "\
local all postgres trust
local all all md5
host all all all md5
local replication postgres trust
host replication replication all md5
";

/// What a PostgreSQL server is started with.
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    settings: Vec<String>,
    tls: Option<(PathBuf, PathBuf)>,
    /// Whether it waits for another server's changes instead of taking writes.
    standby: bool,
}

impl PostgresOptions {
    /// One setting of the server, as in its `postgresql.conf`: `("work_mem", "8MB")`.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.push(format!("{name}={value}"));
        self
    }

    /// The number of sessions that it accepts. Three of them are kept for superusers.
    #[must_use]
    pub fn max_connections(self, number: u32) -> Self {
        self.setting("max_connections", &number.to_string())
    }

    /// Offers TLS with this certificate and its key, as PEM files. Without it the server offers none.
    #[must_use]
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some((certificate.into(), key.into()));
        self
    }

    /// Starts it read only, as a server that will follow another one.
    pub(crate) fn standby(mut self) -> Self {
        self.standby = true;
        self
    }
}

/// A PostgreSQL server. Its superuser `postgres` gets in through [`sql`](Self::sql) alone;
/// [`create_database`](Self::create_database) makes a user with a password.
#[derive(Debug)]
pub struct PostgresServer {
    server: Server,
    client: PathBuf,
}

impl std::ops::Deref for PostgresServer {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// Starts a PostgreSQL server.
pub async fn postgres() -> Result<PostgresServer, Error> {
    postgres_with(PostgresOptions::default()).await
}

/// Starts a PostgreSQL server with these options.
pub async fn postgres_with(options: PostgresOptions) -> Result<PostgresServer, Error> {
    let installed = blocking(|| installed().ok_or_else(|| Error::Missing(Missing::of(Kind::Postgres))));
    let Some(programs) = installed.await? else {
        let server = Server::launch(move || in_docker(&options)).await?;
        let client = PathBuf::from("docker");
        return Ok(PostgresServer { server, client });
    };
    let client = programs.join("psql");
    let server = Server::launch(move || native(&programs, &options)).await?;
    Ok(PostgresServer { server, client })
}

/// The folder of the programs, or `Some(None)` for Docker, or `None` when there is neither.
pub(crate) fn installed() -> Option<Option<PathBuf>> {
    // Those of one version: what is on `PATH` may be a script that chooses.
    find::versioned(&PARENTS, &["postgres", "initdb", "psql"])
        .map(Some)
        .or_else(|| docker::is_there().then_some(None))
}

fn native(programs: &Path, options: &PostgresOptions) -> Result<(Launch, Folder), Error> {
    let account = Account::unless_root_may()?;
    let template = template(programs, account)?;
    let folder = Folder::new("postgres")?;
    let settings = prepare(folder.path(), &template, options, account).map_err(Error::io(format!(
        "copy {} to {}",
        template.display(),
        folder.path().display()
    )))?;
    let server = programs.join("postgres");
    let command = move |place: &Place<'_>| {
        let mut command = Command::new(&server);
        command.arg("-D").arg(place.folder.join("data"));
        command.arg("-k").arg(place.folder);
        command.arg("-p").arg(place.port.to_string());
        for setting in ["listen_addresses=127.0.0.1"].into_iter().chain(SETTINGS) {
            command.args(["-c", setting]);
        }
        for setting in &settings {
            command.args(["-c", setting]);
        }
        command
    };
    // The server binds its port before its socket, so that the socket's answer is the answer of both, and nobody
    // else's.
    let probe = |place: &Place<'_>| {
        let stream = UnixStream::connect(socket(place))?;
        stream.set_read_timeout(Some(ANSWER))?;
        greeting(stream)
    };
    let launch = Launch {
        account,
        // TERM would wait until the last client has gone.
        stop: Signal::INT,
        // Killed, it would leave a segment of shared memory in the system.
        discard: Signal::QUIT,
        ..Launch::new(
            Kind::Postgres,
            Provider::Program,
            Box::new(command),
            Box::new(probe),
        )
    };
    Ok((launch, folder))
}

/// Fills the server's folder, and gives the settings that lead to what is in it.
fn prepare(
    folder: &Path,
    template: &Path,
    options: &PostgresOptions,
    account: Option<Account>,
) -> io::Result<Vec<String>> {
    let mut settings = options.settings.clone();
    let data = folder.join("data");
    std::fs::create_dir(&data)?;
    // It starts in no folder that others can read.
    std::fs::set_permissions(&data, Permissions::from_mode(0o700))?;
    cache::copy(template, &data)?;
    if options.standby {
        std::fs::write(data.join(STANDBY), "")?;
    }
    if let Some((certificate, key)) = &options.tls {
        // It wants a key that is its own, and nobody else's.
        for (from, name, setting) in [
            (certificate, "tls.pem", "ssl_cert_file"),
            (key, "tls.key", "ssl_key_file"),
        ] {
            let to = folder.join(name);
            std::fs::copy(from, &to)?;
            std::fs::set_permissions(&to, Permissions::from_mode(0o600))?;
            settings.push(format!("{setting}={}", to.display()));
        }
        settings.push("ssl=on".to_owned());
    }
    if let Some(account) = account {
        account.owns(folder)?;
    }
    Ok(settings)
}

/// The prepared data folder that every server of this version starts from; made at the first use, in a second.
fn template(programs: &Path, account: Option<Account>) -> Result<PathBuf, Error> {
    let mut version = Command::new(programs.join("postgres"));
    version.arg("--version");
    let version = run::output(version, None, Duration::from_secs(20))?;
    // `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`
    let version: String = version.split_whitespace().skip(2).take(1).collect();
    cache::once(&format!("postgres-{version}-{LAYOUT}"), |made| {
        // The cache is in our home, where another account has no business.
        let folder = Folder::new("initdb")?;
        if let Some(account) = account {
            account
                .owns(folder.path())
                .map_err(Error::io(format!("give away {}", folder.path().display())))?;
        }
        let data = folder.path().join("data");
        let mut command = Command::new(programs.join("initdb"));
        command.arg("-D").arg(&data).args([
            "--username=postgres",
            "--encoding=UTF8",
            locale(),
            "--no-sync",
            "--no-instructions",
            // Small: every copy of the template holds some.
            "--wal-segsize=1",
        ]);
        command.current_dir(folder.path());
        if let Some(account) = account {
            account.runs(&mut command);
        }
        run::output(command, None, INITDB)?;
        cache::copy(&data, made)
            .and_then(|()| std::fs::write(made.join("pg_hba.conf"), LOGINS))
            .map_err(Error::io(format!("copy {}", data.display())))
    })
}

/// The one that knows the letters of all languages and belongs to none, where the system has it.
fn locale() -> &'static str {
    if cfg!(target_os = "macos") {
        "--locale=en_US.UTF-8"
    } else {
        "--locale=C.UTF-8"
    }
}

fn in_docker(options: &PostgresOptions) -> Result<(Launch, Folder), Error> {
    let folder = Folder::new("postgres")?;
    let settings = options.settings.clone();
    let command = move |place: &Place<'_>| {
        let more = [
            // The image wants one. The superuser gets in through the container's own socket.
            "--env",
            "POSTGRES_PASSWORD=throw-away",
            "--env",
            "POSTGRES_HOST_AUTH_METHOD=scram-sha-256",
        ];
        let mount = Some(("data", "/var/lib/postgresql/data"));
        let mut command = docker::run(place, 5432, mount, &more, IMAGE);
        // Files of the options, such as certificates, are not in the container.
        for setting in SETTINGS.into_iter().chain(settings.iter().map(String::as_str)) {
            command.args(["-c", setting]);
        }
        command
    };
    let probe = |place: &Place<'_>| {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, place.port))?;
        stream.set_read_timeout(Some(ANSWER))?;
        greeting(stream)
    };
    let launch = Launch {
        stop: Signal::INT,
        ..Launch::new(
            Kind::Postgres,
            Provider::Docker,
            Box::new(command),
            Box::new(probe),
        )
    };
    Ok((launch, folder))
}

/// The first message of a client: version 3.0 of the protocol, `user=postgres`.
const HELLO: &[u8] = b"\0\0\0\x17\0\x03\0\0user\0postgres\0\0";

/// A server that is ready answers with what it wants for a login, one that is starting with an error.
fn greeting(mut stream: impl Read + Write) -> io::Result<()> {
    stream.write_all(HELLO)?;
    let mut first = [0; 1];
    stream.read_exact(&mut first)?;
    if first == *b"R" {
        return Ok(());
    }
    Err(io::Error::other("it is starting up"))
}

fn socket(place: &Place<'_>) -> PathBuf {
    place.folder.join(format!(".s.PGSQL.{}", place.port))
}

impl PostgresServer {
    /// The folder of the server's Unix socket, as PostgreSQL's clients want it; a server in Docker has none.
    #[must_use]
    pub fn socket_folder(&self) -> Option<PathBuf> {
        (self.provider() == Provider::Program).then(|| self.folder().to_owned())
    }

    /// Another program of the server's version.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.client.with_file_name(name)
    }

    /// Runs statements as superuser in the database `postgres`, each in a transaction of its own, and returns what they
    /// print: a line for each row, columns separated by tabs.
    pub async fn sql(&self, statements: impl Into<String>) -> Result<String, Error> {
        self.sql_in("postgres", statements).await
    }

    /// As [`sql`](Self::sql), in another database.
    pub async fn sql_in(&self, database: &str, statements: impl Into<String>) -> Result<String, Error> {
        let statements = statements.into();
        let mut command = Command::new(&self.client);
        if self.provider() == Provider::Docker {
            command.args([
                "exec",
                "--interactive",
                "--user=postgres",
                &self.container(),
                "psql",
            ]);
        } else {
            command.arg("--host").arg(self.folder());
            command.arg("--port").arg(self.port().to_string());
        }
        command.args([
            "--username=postgres",
            "--no-password",
            "--no-psqlrc",
            "--quiet",
            "--no-align",
            "--tuples-only",
            "--field-separator=\t",
            "--set=ON_ERROR_STOP=1",
            "--dbname",
            database,
        ]);
        without_variables(&mut command);
        // As input, so that no password shows in the list of processes.
        blocking(move || run::output(command, Some(&statements), STATEMENT)).await
    }

    /// Creates a user and a database, in which it may do everything, and which it may make anew. Where the database is another's already, the user
    /// acts as that one there: tables belong to one account, and both work with all.
    pub async fn create_database(&self, name: &str, user: &str, password: &str) -> Result<(), Error> {
        let (name, user, password) = (text(name), text(user), text(password));
        // Without `if not exists` in the language, a statement is made for what does not exist, and run.
        let statements = format!(
            "select format('create role %I login createdb password %L', {user}, {password})
                 where not exists (select from pg_roles where rolname = {user}) \\gexec
             select format('create database %I owner %I', {name}, {user})
                 where not exists (select from pg_database where datname = {name}) \\gexec
             select format('grant %I to %I', rolname, {user}) from pg_database join pg_roles on datdba = pg_roles.oid
                 where datname = {name} and rolname <> {user} \\gexec
             select format('alter role %I in database %I set role = %L', {user}, {name}, rolname)
                 from pg_database join pg_roles on datdba = pg_roles.oid
                 where datname = {name} and rolname <> {user} \\gexec"
        );
        self.sql(statements).await.map(drop)
    }
}

/// Takes from a command what is meant for clients of other servers.
pub(crate) fn without_variables(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("PG")) {
            command.env_remove(name);
        }
    }
}

pub(crate) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::HELLO;

    #[test]
    fn the_length_of_the_hello_is_right() {
        assert_eq!(HELLO.len(), usize::from(HELLO[3]));
    }
}
