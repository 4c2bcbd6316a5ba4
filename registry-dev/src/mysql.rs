//! MariaDB or MySQL.

use crate::flavor::Flavor;
use crate::folder::Folder;
use crate::launch::{Launch, Place};
use crate::server::{Server, blocking};
use crate::template::{LOG_FILE_SIZE, NO_TLS, Programs, joined, template};
use crate::{Error, Kind, Missing, Provider, cache, docker, find, run};
use std::ffi::OsString;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const IMAGE: &str = "mariadb:10.11";
/// The variable that names the server's program, where it is not the first of `PATH`: of MariaDB and MySQL beside each other.
const CHOSEN: &str = "DBREG_DEV_MYSQLD";
const ANSWER: Duration = Duration::from_secs(2);
const STATEMENT: Duration = Duration::from_secs(60);
/// The file of statements in the server's folder that are run at each start.
const AT_START: &str = "start.sql";

/// Small and quick rather than safe: the data are thrown away.
const ARGUMENTS: [&str; 10] = [
    "--no-defaults",
    "--skip-name-resolve",
    LOG_FILE_SIZE,
    "--innodb-buffer-pool-size=32M",
    // A commit is in the system's hands: it is there after a kill of the server. MySQL keeps its accounts so, too.
    "--innodb-flush-log-at-trx-commit=2",
    "--performance-schema=OFF",
    "--loose-disable-log-bin",
    // That log under the later name of MySQL's own server, and no TLS unless it is asked for.
    "--loose-innodb-redo-log-capacity=32M",
    NO_TLS,
    "--loose-mysqlx=OFF",
];

/// What a MySQL server is started with.
#[derive(Clone, Debug, Default)]
pub struct MySqlOptions {
    arguments: Vec<String>,
    tls: Option<(PathBuf, PathBuf)>,
    /// Statements that the server runs at each start, before it accepts anyone.
    at_start: Option<String>,
}

impl MySqlOptions {
    /// One more argument of the server: `--max-allowed-packet=1M`.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// The number of sessions that it accepts.
    #[must_use]
    pub fn max_connections(self, number: u32) -> Self {
        self.arg(format!("--max-connections={number}"))
    }

    /// Offers TLS with this certificate and its key, as PEM files. Without it the server offers none.
    #[must_use]
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some((certificate.into(), key.into()));
        self
    }

    /// Runs these statements, one in a line, at each start of the server.
    pub(crate) fn at_start(mut self, statements: impl Into<String>) -> Self {
        self.at_start = Some(statements.into());
        self
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut all: Vec<OsString> = ARGUMENTS.iter().map(OsString::from).collect();
        if let Some((certificate, key)) = &self.tls {
            all.extend([joined("--ssl-cert=", certificate), joined("--ssl-key=", key)]);
        }
        all.extend(self.arguments.iter().map(OsString::from));
        all
    }
}

/// A MySQL server. `root` has no password; [`create_database`](Self::create_database) makes a user.
#[derive(Debug)]
pub struct MySqlServer {
    server: Server,
    client: PathBuf,
    flavor: Flavor,
}

impl std::ops::Deref for MySqlServer {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

/// Starts a MySQL server: MariaDB's or, where that is not installed, MySQL's own. The variable `DBREG_DEV_MYSQLD` names another
/// program than the first of `PATH`.
pub async fn mysql() -> Result<MySqlServer, Error> {
    mysql_with(MySqlOptions::default()).await
}

/// Starts a MySQL server with these options.
pub async fn mysql_with(options: MySqlOptions) -> Result<MySqlServer, Error> {
    let installed = blocking(|| installed().ok_or_else(|| Error::Missing(Missing::of(Kind::MySql))));
    let Some(programs) = installed.await? else {
        let server = Server::launch(move || in_docker(&options)).await?;
        return Ok(MySqlServer {
            server,
            client: PathBuf::from("docker"),
            flavor: Flavor::MariaDb,
        });
    };
    let client = programs.client.clone();
    let (programs, version) = blocking(move || programs.version().map(|version| (programs, version))).await?;
    let flavor = Flavor::of(&version);
    let server = Server::launch(move || native(&programs, &version, &options)).await?;
    Ok(MySqlServer {
        server,
        client,
        flavor,
    })
}

/// The programs, or `Some(None)` for Docker, or `None` when there is neither.
pub(crate) fn installed() -> Option<Option<Programs>> {
    let chosen = std::env::var_os(CHOSEN).filter(|path| !path.is_empty());
    let server = chosen
        .map(PathBuf::from)
        .or_else(|| find::program(&["mariadbd", "mysqld"]));
    let client = find::program(&["mariadb", "mysql"]);
    let install = find::program(&["mariadb-install-db", "mysql_install_db"]);
    match (server, client) {
        // Debian's `mysqld` is a link to `mariadbd`: what matters is whether the installer is there.
        (Some(server), Some(client)) if install.is_some() || !server.ends_with("mariadbd") => {
            Some(Some(Programs {
                server,
                install,
                client,
            }))
        }
        _ => docker::is_there().then_some(None),
    }
}

/// Whose server would be started.
pub(crate) async fn flavor() -> Result<Flavor, Error> {
    blocking(|| match installed() {
        Some(Some(programs)) => Ok(Flavor::of(&programs.version()?)),
        _ => Ok(Flavor::MariaDb),
    })
    .await
}

fn native(programs: &Programs, version: &str, options: &MySqlOptions) -> Result<(Launch, Folder), Error> {
    let folder = Folder::new("mysql")?;
    prepare_data(programs, version, folder.path())?;
    if let Some(statements) = &options.at_start {
        write_at_start(folder.path(), statements)?;
    }
    let has_statements = options.at_start.is_some();
    let (server, arguments) = (programs.server.clone(), options.arguments());
    let command = move |place: &Place<'_>| {
        let mut command = Command::new(&server);
        command
            .args(&arguments[..ARGUMENTS.len()])
            .args(run::owner())
            .arg("--bind-address=127.0.0.1");
        command.arg(joined("--datadir=", &place.folder.join("data")));
        // A server that starts removes the temporary tables of every other that has them in the same folder.
        command.arg(joined("--tmpdir=", place.folder));
        command.arg(joined("--socket=", &socket(place.folder)));
        command.arg(joined("--pid-file=", &place.folder.join("mysql.pid")));
        if has_statements {
            command.arg(joined("--init-file=", &place.folder.join(AT_START)));
        }
        command
            .arg(format!("--port={}", place.port))
            .args(&arguments[ARGUMENTS.len()..]);
        command
    };
    // The server binds its port before its socket, so that the socket's answer is the answer of both, and nobody
    // else's.
    let probe = |place: &Place<'_>| {
        let stream = UnixStream::connect(socket(place.folder))?;
        stream.set_read_timeout(Some(ANSWER))?;
        greeting(stream)
    };
    Ok((
        Launch::new(Kind::MySql, Provider::Program, Box::new(command), Box::new(probe)),
        folder,
    ))
}

/// Copies the template into the server's folder, as its data.
fn prepare_data(programs: &Programs, version: &str, folder: &Path) -> Result<(), Error> {
    let template = template(programs, version)?;
    let data = folder.join("data");
    let copied = std::fs::create_dir(&data).and_then(|()| cache::copy(&template, &data));
    copied.map_err(Error::io(format!(
        "copy {} to {}",
        template.display(),
        data.display()
    )))
}

fn write_at_start(folder: &Path, statements: &str) -> Result<(), Error> {
    let path = folder.join(AT_START);
    std::fs::write(&path, statements).map_err(Error::io(format!("write {}", path.display())))
}

fn in_docker(options: &MySqlOptions) -> Result<(Launch, Folder), Error> {
    let folder = Folder::new("mysql")?;
    let arguments = options.arguments();
    let command = move |place: &Place<'_>| {
        let root = ["--env", "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1"];
        let mut command = docker::run(place, 3306, Some(("data", "/var/lib/mysql")), &root, IMAGE);
        // Files of the options, such as certificates, are not in the container.
        command.args(&arguments);
        command
    };
    let probe = |place: &Place<'_>| {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, place.port))?;
        stream.set_read_timeout(Some(ANSWER))?;
        greeting(stream)
    };
    Ok((
        Launch::new(Kind::MySql, Provider::Docker, Box::new(command), Box::new(probe)),
        folder,
    ))
}

/// A server that accepts speaks first.
fn greeting(mut stream: impl Read) -> io::Result<()> {
    stream.read_exact(&mut [0; 5])
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("mysql.sock")
}

impl MySqlServer {
    /// The server's Unix socket; a server in Docker has none.
    #[must_use]
    pub fn socket(&self) -> Option<PathBuf> {
        (self.provider() == Provider::Program).then(|| socket(self.folder()))
    }

    pub(crate) fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// Runs statements as root, and returns what they print: a line for each row, columns separated by tabs.
    pub async fn sql(&self, statements: impl Into<String>) -> Result<String, Error> {
        self.run_sql(statements.into(), &["--skip-column-names"]).await
    }

    /// The one row that a statement gives, as pairs of column and value; none when it gives no row.
    pub(crate) async fn row(&self, statement: &str) -> Result<Vec<(String, String)>, Error> {
        let answer = self.run_sql(statement.to_owned(), &[]).await?;
        let mut lines = answer.lines().map(|line| line.split('\t').map(str::to_owned));
        let (Some(names), Some(values)) = (lines.next(), lines.next()) else {
            return Ok(Vec::new());
        };
        Ok(names.zip(values).collect())
    }

    /// What the server runs at its next starts, in place of what it ran so far.
    pub(crate) fn set_at_start(&self, statements: &str) -> Result<(), Error> {
        write_at_start(self.folder(), statements)
    }

    /// Throws the data away and starts it as new, on the same port.
    pub(crate) async fn start_as_new(&self) -> Result<(), Error> {
        self.kill().await?;
        let folder = self.folder().to_owned();
        blocking(move || {
            let programs = installed().flatten();
            let programs = programs.ok_or_else(|| Error::Missing(Missing::of(Kind::MySql)))?;
            let data = folder.join("data");
            std::fs::remove_dir_all(&data).map_err(Error::io(format!("remove {}", data.display())))?;
            prepare_data(&programs, &programs.version()?, &folder)
        })
        .await?;
        self.start().await
    }

    async fn run_sql(&self, statements: String, options: &[&str]) -> Result<String, Error> {
        let mut command = Command::new(&self.client);
        if self.provider() == Provider::Docker {
            command.args([
                "exec",
                "--interactive",
                &self.container(),
                "mariadb",
                "--no-defaults",
            ]);
        } else {
            command
                .args(["--no-defaults", "--protocol=socket"])
                .arg(joined("--socket=", &socket(self.folder())));
        }
        command.args(["--user=root", "--batch", "--default-character-set=utf8mb4"]);
        command.args(options);
        // As input, so that no password shows in the list of processes.
        let answer = blocking(move || run::output(command, Some(&statements), STATEMENT)).await;
        answer.map_err(without_statement)
    }

    /// Creates a database and a user who may do everything in it, from everywhere.
    pub async fn create_database(&self, name: &str, user: &str, password: &str) -> Result<(), Error> {
        let database = identifier(name);
        // In a grant `_` and `%` stand for other characters.
        let pattern = identifier(&name.replace('_', "\\_").replace('%', "\\%"));
        let (user, password) = (text(user), text(password));
        let statements = format!(
            "create database if not exists {database} character set utf8mb4;
             create user if not exists {user}@'%' identified by {password};
             grant all on {pattern}.* to {user}@'%';"
        );
        self.sql(statements).await.map(drop)
    }
}

/// The client repeats the statement that failed, which may hold a password.
fn without_statement(error: Error) -> Error {
    match error {
        Error::Command { command, cause } => {
            let errors: Vec<&str> = cause.lines().filter(|line| line.starts_with("ERROR ")).collect();
            let cause = if errors.is_empty() {
                cause
            } else {
                errors.join("\n")
            };
            Error::Command { command, cause }
        }
        other => other,
    }
}

fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}
