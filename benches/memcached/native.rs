//! libmemcached, the client in C that other languages use: a program of its own, compiled here where the library is.

use crate::workload::{KEYS, Workload};
use futures_util::FutureExt as _;
use registry_bench::Entrant;
use registry_bench::arena::Tally;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Threads at most: each has a connection of its own, and more of them are only slower.
const THREADS: usize = 64;

/// The program, compiled.
#[derive(Clone, Debug)]
pub(crate) struct Native(PathBuf);

/// Its name in the contests.
pub(crate) const NAME: &str = "libmemcached (C, a thread each)";

/// What to install where it cannot be compiled.
const STEP: &str = "apt-get install -y --no-install-recommends gcc libmemcached-dev";

impl Native {
    /// Compiles the program, or says what is missing.
    pub(crate) fn compile() -> Result<Self, String> {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/memcached/libmemcached.c");
        let folder = registry_bench::folder();
        std::fs::create_dir_all(&folder).map_err(|cause| format!("cannot create a folder: {cause}"))?;
        let program = folder.join("libmemcached");
        let mut compiler = Command::new("cc");
        compiler
            .args(["-O2", source, "-lmemcached", "-lpthread", "-o"])
            .arg(&program);
        match compiler.stderr(Stdio::null()).status() {
            Ok(status) if status.success() => Ok(Self(program)),
            _ => Err(format!("libmemcached is not here; install it with: {STEP}")),
        }
    }

    /// It takes part with `get`, `set` or `multi`.
    pub(crate) fn entrant(&self, port: u16, operation: &'static str, load: &Workload) -> Entrant {
        let (program, bytes) = (self.0.clone(), load.bytes);
        Entrant::of_rounds(NAME, move |tasks, window: Duration| {
            let mut command = tokio::process::Command::new(&program);
            let numbers = [
                port.to_string(),
                tasks.min(THREADS).to_string(),
                operation.to_owned(),
                bytes.to_string(),
                window.as_millis().to_string(),
                KEYS.to_string(),
            ];
            command.args(numbers).kill_on_drop(true);
            async move {
                let ended = tokio::time::timeout(window + Duration::from_secs(20), command.output()).await;
                let output = ended.ok().and_then(Result::ok).unwrap_or_else(|| {
                    panic!("the program of libmemcached does not end");
                });
                let text = String::from_utf8_lossy(&output.stdout);
                read(&text).unwrap_or_else(|| panic!("libmemcached's program printed no result: {text}"))
            }
            .boxed()
        })
    }
}

/// `right wrong failed seconds`, and a line for each timed call.
fn read(text: &str) -> Option<Tally> {
    let mut lines = text.lines();
    let mut words = lines.next()?.split(' ');
    let mut count = || words.next()?.parse().ok();
    let (right, wrong, failed) = (count()?, count()?, count()?);
    Some(Tally {
        right,
        wrong,
        failed,
        elapsed: Duration::from_secs_f64(words.next()?.parse().ok()?),
        times: lines.filter_map(|line| line.parse().ok()).collect(),
    })
}
