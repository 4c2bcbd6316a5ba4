//! The whole test suite of the repository, as `cargo verify`: installs the servers that the tests need, runs one step
//! after the other and ends at the first that fails, with its exit status. `cargo verify NAME` runs one step.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for people and for CI"
)]

use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

/// How long everything may take, in all: twice as long as on two cores with nothing compiled yet. A test that hangs fails.
const LIMIT: Duration = Duration::from_mins(60);

/// Each backend with all features that bring no other.
const ALONE: [&str; 5] = [
    "mysql,sea-orm",
    "mongodb,mongodm",
    "memcached",
    "sqlite,sea-orm",
    "postgres,sea-orm",
];

struct Step {
    name: &'static str,
    /// Whether it talks to database servers.
    servers: bool,
    /// The arguments of cargo.
    arguments: Vec<String>,
    variables: Vec<(&'static str, &'static str)>,
}

fn step(name: &'static str, arguments: &str) -> Step {
    let arguments = arguments.split(' ').map(str::to_owned).collect();
    Step {
        name,
        servers: false,
        arguments,
        variables: Vec::new(),
    }
}

impl Step {
    fn with_servers(self) -> Self {
        Self {
            servers: true,
            ..self
        }
    }

    fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// As one would type it.
    fn line(&self) -> String {
        let variables = self
            .variables
            .iter()
            .map(|(name, value)| format!("{name}='{value}' "));
        format!(
            "{}cargo {}",
            variables.collect::<String>(),
            self.arguments.join(" ")
        )
    }
}

fn steps(root: &Path) -> Vec<Step> {
    let mut all = vec![
        step("fmt", "fmt --all --check"),
        step(
            "clippy",
            "clippy --quiet --workspace --all-targets --all-features -- -D warnings",
        ),
        step(
            "features",
            "clippy --quiet --package dbreg --no-default-features -- -D warnings",
        ),
    ];
    // A feature alone: what it needs must come with it.
    all.extend(features(root).into_iter().map(|feature| {
        let arguments = format!(
            "clippy --quiet --package dbreg --no-default-features --features {feature} -- -D warnings"
        );
        step("features", &arguments)
    }));
    // What is written for all backends must do with one.
    all.extend(ALONE.iter().map(|alone| {
        let arguments = format!(
            "clippy --quiet --package dbreg --no-default-features --features {alone},tasks,test,supervise -- -D warnings"
        );
        step("features", &arguments)
    }));
    all.push(
        step("doc", "doc --quiet --workspace --all-features --no-deps")
            .variable("RUSTDOCFLAGS", "-D warnings"),
    );
    all.push(step("test", "test --workspace --all-features").with_servers());
    all.push(step(
        "quickstart",
        "run --quiet --example quickstart --features sqlite",
    ));
    all.push(step("demo", "demo").with_servers());
    all.push(step("demo", "demo --fleet").with_servers());
    all
}

/// The features of the root package, from its manifest.
fn features(root: &Path) -> Vec<String> {
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).expect("the workspace has a manifest");
    let table = manifest
        .lines()
        .skip_while(|line| line.trim() != "[features]")
        .skip(1);
    let table = table.take_while(|line| !line.starts_with('['));
    let names = table.filter_map(|line| {
        line.split_once('=')
            .map(|(name, _)| name.trim().trim_matches('"').to_owned())
    });
    names
        .filter(|name| name != "default" && !name.starts_with('#'))
        .collect()
}

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(PathBuf::from)
        .expect("a crate of the workspace");
    let mut steps = steps(&root);
    if let Some(filter) = std::env::args().nth(1) {
        let mut names: Vec<&str> = steps.iter().map(|step| step.name).collect();
        names.dedup();
        let names = names.join(", ");
        steps.retain(|step| step.name == filter);
        if steps.is_empty() {
            eprintln!("the steps are: {names}");
            return ExitCode::from(if filter == "--list" { 0 } else { 2 });
        }
    }
    let start = Instant::now();
    if steps.iter().any(|step| step.servers) {
        println!("== servers");
        let out = &mut std::io::stdout();
        let installed = registry_dev::install(&registry_dev::Kind::ALL, out)
            .and_then(|()| registry_dev::install_engines(&registry_dev::Engine::ALL, out));
        if let Err(error) = installed {
            eprintln!("verify: {error}");
            return ExitCode::from(69);
        }
    }
    for step in &steps {
        println!("== {}: {}", step.name, step.line());
        let began = Instant::now();
        let code = run(step, &root, start + LIMIT);
        println!("   {:.1} s", began.elapsed().as_secs_f32());
        if code != 0 {
            eprintln!("verify: `{}` failed with status {code}", step.line());
            return ExitCode::from(code);
        }
    }
    println!("verify: all passed in {:.0} s", start.elapsed().as_secs_f32());
    ExitCode::SUCCESS
}

/// The exit status of the step's command; 1 where it has none, and where it did not end until then.
fn run(step: &Step, root: &Path, deadline: Instant) -> u8 {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(&step.arguments)
        .envs(step.variables.iter().copied())
        .current_dir(root);
    for name in registry_dev::cargo_variables(env!("CARGO_PKG_NAME")) {
        command.env_remove(name);
    }
    if std::env::var_os("CI").is_some() {
        // It makes the first build longer and the next one shorter, of which there is none.
        command.env("CARGO_INCREMENTAL", "0");
    }
    let status = command.spawn().and_then(|mut child| {
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                eprintln!("verify: not all done within {} minutes", LIMIT.as_secs() / 60);
                end(&child);
                return child.wait();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    match status {
        Ok(status) if status.success() => 0,
        Ok(status) => status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1),
        Err(error) => {
            eprintln!("verify: cannot run cargo: {error}");
            1
        }
    }
}

/// Ends the child and all that it started, and says what that was. They are no process group of their own, so that Ctrl-C
/// reaches them; the servers of tests end with whoever started them.
fn end(child: &Child) {
    let mut found = vec![Pid::from_child(child)];
    let mut next = 0;
    while let Some(parent) = found.get(next) {
        found.extend(children(*parent));
        next += 1;
    }
    for pid in found {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        // Enough to know it by: that of a compiler has thousands.
        let line: String = line.chars().take(160).collect();
        eprintln!("verify: ends {pid} {line}");
        // One that is gone meanwhile needs no end.
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// The processes that this one started, in all of its threads; none where there is no `/proc`.
fn children(parent: Pid) -> Vec<Pid> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task"));
    let lists = threads.into_iter().flatten().filter_map(|thread| {
        let list = thread.ok()?.path().join("children");
        std::fs::read_to_string(list).ok()
    });
    lists
        .collect::<String>()
        .split_whitespace()
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .collect()
}
