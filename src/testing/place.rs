//! Where the connections of one test lead to.

use super::{HOLD, KEEP, Prepare, SERVERS, Test, servers};
use registry_config::{ConnectionShape, Settings};
use registry_core::Root;
use registry_core::tasks::{Tasks, TasksBuilder, Verb};
use registry_dev::Server;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// The keys that say where a connection leads. Those that the environment has would contradict ours.
const PLACE: [&str; 10] = [
    "URL",
    "USERNAME",
    "PASSWORD",
    "DB",
    "CONNECTIONS",
    "HOST",
    "PORT",
    "SOCKET",
    "TLS",
    "PATH",
];
/// The password of every account of a test. It is no secret: its servers are on loopback, and end with the process.
const PASSWORD: &str = "test";
/// How long a step of preparing, and of removing, may take.
const STEP: Duration = Duration::from_secs(120);
/// The longest name of an account that MySQL takes.
const NAME_LIMIT: usize = 32;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A place for every connection.
pub(super) struct Place {
    /// What leads the registry there.
    variables: Vec<(String, String)>,
    /// What of it the verbs work on, as backend and `mysql.main`.
    labels: Vec<(&'static str, String)>,
    /// What a person wants to know of it, a line each.
    lines: Vec<String>,
    /// The servers of this process that have a part of it in their files.
    servers: Vec<&'static Server>,
    folder: TempDir,
}

/// The names that this test has given: two connections to one database share it here, too.
struct Names {
    stem: String,
    given: Vec<(String, String)>,
}

impl Names {
    /// The name for a connection of these values.
    fn of(&mut self, connection: &ConnectionShape, settings: &Settings) -> String {
        let own = format!("{}.{}", connection.backend, connection.field);
        let target = match settings.text("db") {
            Some(db) => format!("{}/{:?}/{db}", connection.backend, settings.hosts()),
            None => own,
        };
        if let Some((_, name)) = self.given.iter().find(|(known, _)| *known == target) {
            return name.clone();
        }
        let name = format!("{}_{}", self.stem, connection.field);
        let name: String = name.chars().take(NAME_LIMIT).collect();
        let taken = self.given.iter().any(|(_, other)| *other == name);
        let number = self.given.len();
        let name = match taken {
            false => name,
            true => format!("{}_{number}", self.stem),
        };
        self.given.push((target, name.clone()));
        name
    }
}

impl Place {
    /// Finds a place for every connection of the registry, and prepares it.
    pub(super) async fn prepare<R: Root>(test: &Test) -> Result<Self, String> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = tempfile::Builder::new().prefix("dbreg-test-").tempdir();
        let mut place = Self {
            variables: Vec::new(),
            labels: Vec::new(),
            lines: Vec::new(),
            servers: Vec::new(),
            folder: folder.map_err(|error| format!("cannot make a folder: {error}"))?,
        };
        let stem = match test.configured {
            // Others may be at work on the same servers, in containers with equal process ids.
            true => {
                let random = RandomState::new().build_hasher().finish();
                format!("dbreg_test_{:08x}_{number}", random >> 32)
            }
            false => format!("test_{number}"),
        };
        let mut names = Names {
            stem,
            given: Vec::new(),
        };
        let shape = R::shape();
        let by_variable = std::env::var(format!("{}_PROFILE", R::ENV)).ok();
        let profile = test.profile.map(str::to_owned).or(by_variable);
        for connection in shape.connections.iter() {
            let settings = registry_config::resolve(connection, profile.as_deref(), &[]);
            let settings = settings.map_err(|found| {
                let lines: Vec<String> = found.iter().map(|one| one.render(&shape.file)).collect();
                lines.join("\n")
            })?;
            let name = names.of(connection, &settings);
            let stem = stem_of(R::ENV, connection);
            place.lead(connection, &settings, &name, &stem, test).await?;
            if settings.flag("tasks") != Some(false) {
                let label = format!("{}.{}", connection.backend, connection.name);
                place.labels.push((connection.backend, label));
            }
        }
        place.run_verbs::<R>(test).await?;
        Ok(place)
    }

    pub(super) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// Leads a connection to a database of this name.
    async fn lead(
        &mut self,
        connection: &ConnectionShape,
        settings: &Settings,
        name: &str,
        stem: &str,
        test: &Test,
    ) -> Result<(), String> {
        let title = format!("{}.{}", connection.backend, connection.name);
        let mut set = |key: &str, value: String| self.variables.push((format!("{stem}{key}"), value));
        let mut told = |words: String| self.lines.push(format!("{title}: {words}"));
        match connection.backend {
            "sqlite" => {
                let path = self.folder.path().join(format!("{}.db", connection.field));
                told(path.display().to_string());
                set("PATH", path.display().to_string());
                return Ok(());
            }
            "memcached" => {
                let prefix = format!("{}{name}:", settings.text("prefix").unwrap_or_default());
                told(format!("keys that begin with `{prefix}`"));
                set("PREFIX", prefix);
            }
            _ if test.configured && settings.flag("tasks") == Some(false) => return Ok(()),
            _ if test.configured => {
                if settings.value("url").is_some() {
                    let words = "a test on configured servers puts a `db` of its own into the values: write `username`, \
                        `password` and the hosts instead of `url`";
                    return Err(format!("[{title}]: {words}"));
                }
                told(format!("database `{name}`"));
                set("DB", name.to_owned());
            }
            _ => {}
        }
        if test.configured {
            return Ok(());
        }
        refuse(settings, &title, stem)?;
        let missing = |error: registry_dev::Error| error.to_string();
        let told_at =
            |at: SocketAddr| format!("database `{name}` at {at}, user `{name}`, password `{PASSWORD}`");
        let at = match connection.backend {
            "mysql" => {
                let server = servers::mysql().await.map_err(missing)?;
                let created = server.create_database(name, name, PASSWORD).await;
                created.map_err(missing)?;
                self.servers.push(server);
                server.address()
            }
            "postgres" => {
                let server = servers::postgres().await.map_err(missing)?;
                let created = server.create_database(name, name, PASSWORD).await;
                created.map_err(missing)?;
                self.servers.push(server);
                server.address()
            }
            "mongodb" => {
                let server = servers::mongodb().await.map_err(missing)?;
                self.servers.push(server);
                let at = server.address();
                told(format!("database `{name}` at {at}"));
                // Only a URL takes a login of the file away, which these servers do not have.
                set("URL", format!("mongodb://{at}/{name}"));
                set("TLS", "off".to_owned());
                return Ok(());
            }
            "memcached" => {
                let at = servers::memcached().await.map_err(missing)?.address();
                set("CONNECTIONS", at.to_string());
                return Ok(());
            }
            other => {
                return Err(format!(
                    "[{title}]: there are no servers of {other} for tests yet"
                ));
            }
        };
        told(told_at(at));
        set("CONNECTIONS", at.to_string());
        set("USERNAME", name.to_owned());
        set("PASSWORD", PASSWORD.to_owned());
        set("DB", name.to_owned());
        set("TLS", "off".to_owned());
        Ok(())
    }

    /// Creates what is not there yet, migrates and fills.
    async fn run_verbs<R: Root>(&self, test: &Test) -> Result<(), String> {
        if test.configured {
            // Before anything is made: what could not be removed again is refused now.
            if let Some(tasks) = self.tasks::<R>(test, Verb::Drop)? {
                let plan = tasks.plan(Verb::Drop).await;
                if !plan.is_clear() {
                    return Err(format!(
                        "{plan}\nhelp: a test makes databases of its own there, and drops them: the account must be \
                         allowed to, and no connection be protected"
                    ));
                }
            }
            self.run_verb::<R>(test, Verb::Create).await?;
        }
        let verbs: &[Verb] = match test.prepare {
            Prepare::Nothing => &[],
            Prepare::Migrate => &[Verb::Create, Verb::Migrate],
            Prepare::Fill => &[Verb::Build],
        };
        for verb in verbs {
            self.run_verb::<R>(test, *verb).await?;
        }
        Ok(())
    }

    async fn run_verb<R: Root>(&self, test: &Test, verb: Verb) -> Result<(), String> {
        let Some(tasks) = self.tasks::<R>(test, verb)? else {
            return Ok(());
        };
        let report = tasks.run(verb, |_| ()).await;
        if report.is_success() {
            return Ok(());
        }
        Err(report.to_string())
    }

    /// What a verb works on; nothing where there is nothing for it.
    fn tasks<R: Root>(&self, test: &Test, verb: Verb) -> Result<Option<Tasks>, String> {
        // Only fixtures are for memcached: keys have no database that could be made or dropped, and those of a test are
        // never seen again.
        let fills = verb == Verb::Build;
        let mut labels = self
            .labels
            .iter()
            .filter(|(backend, _)| fills || *backend != "memcached");
        let Some(first) = labels.next() else {
            return Ok(None);
        };
        // Who asks for neither migrations nor fixtures does not look at those of the crate: they may be another registry's,
        // with connections that this one does not have.
        let root = match test.prepare {
            Prepare::Nothing => self.folder.path(),
            Prepare::Migrate | Prepare::Fill => Path::new(test.root),
        };
        let mut builder = TasksBuilder::of::<R>().root(root).step_deadline(STEP);
        if let Some(profile) = test.profile {
            builder = builder.profile(profile);
        }
        for (name, value) in &self.variables {
            builder = builder.variable(name, value);
        }
        for (_, label) in std::iter::once(first).chain(labels) {
            builder = builder.only(label);
            if !test.configured {
                // They are ours, whatever the file says of those that it names.
                builder = builder.i_know_this_destroys(label);
            }
        }
        builder.build().map(Some).map_err(|error| error.to_string())
    }

    /// Drops the databases. What cannot be dropped is told: the test has passed all the same.
    pub(super) async fn remove<R: Root>(self, test: &Test) {
        if let Err(words) = self.run_verb::<R>(test, Verb::Drop).await {
            say(&format!(
                "{}: the databases could not be dropped: {words}",
                test.name
            ));
        }
    }

    /// Leaves everything where it is, and says where.
    pub(super) async fn keep(&mut self, test: &Test) {
        let has_files = std::fs::read_dir(self.folder.path()).is_ok_and(|mut all| all.next().is_some());
        self.folder.disable_cleanup(has_files);
        let goes = !test.configured && std::env::var(KEEP).is_ok_and(|keep| keep == "no");
        let what = if goes { "go with this process" } else { "are kept" };
        say(&format!("the databases of {} {what}:", test.name));
        for line in &self.lines {
            say(&format!("  {line}"));
        }
        self.servers.sort_by_key(|server| server.port());
        self.servers.dedup_by_key(|server| server.port());
        if goes {
            return;
        }
        for server in &self.servers {
            let at = server.address();
            match server.keep().await {
                Ok(Some(script)) => say(&format!(
                    "the server at {at} ends with this process; `sh {}` starts it again, and its folder is yours to remove",
                    registry_dev::quoted(&script.to_string_lossy())
                )),
                Ok(None) => say(&format!(
                    "the server at {at} ends with this process, and its data with it; {HOLD}=10m has it wait"
                )),
                Err(error) => say(&format!("the data of the server at {at} cannot be kept: {error}")),
            }
        }
    }
}

/// `DBREG_MYSQL__MAIN__`
fn stem_of(prefix: &str, connection: &ConnectionShape) -> String {
    let upper = |name: &str| name.to_ascii_uppercase();
    format!(
        "{prefix}_{}__{}__",
        upper(connection.backend),
        upper(&connection.field)
    )
}

/// What asks a server for more than one of ours has, and what contradicts our variables.
fn refuse(settings: &Settings, title: &str, stem: &str) -> Result<(), String> {
    for (key, what) in [("tls_ca", "a certificate"), ("replica_set", "a replica set")] {
        if settings.value(key).is_some() {
            return Err(format!(
                "[{title}]: `{key}` asks for {what}, which a throw-away server does not have; write it under \
                 [profile.production.{title}] instead"
            ));
        }
    }
    let set = PLACE.iter().map(|key| format!("{stem}{key}"));
    let set = set.into_iter().find(|name| std::env::var_os(name).is_some());
    match set {
        Some(name) => Err(format!(
            "`{name}` is set, and the test would lead elsewhere; unset it (`dbreg dev` sets it, and `cargo test` needs no \
             `dbreg dev`), or write `servers = \"configured\"`, or `{SERVERS}=configured`, to test there"
        )),
        None => Ok(()),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "it belongs to the report of the test, which is on stderr too"
)]
fn say(words: &str) {
    if std::env::var_os(HOLD).is_some() {
        // Past the harness, which shows what a test says at its end: somebody waits for it now.
        let _ = writeln!(std::io::stderr(), "dbreg: {words}");
    } else {
        eprintln!("dbreg: {words}");
    }
}
