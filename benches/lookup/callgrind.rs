//! Instructions of one function, by callgrind: this program again, under valgrind.

use std::process::{Command, Stdio};

/// How often the function is called while it is counted.
pub(crate) const CALLS: u32 = 1_000;

/// Set for the program under valgrind: the function to call.
const VARIABLE: &str = "REGISTRY_BENCH_COUNTED";

/// The function that this process is to call, when it runs under valgrind.
pub(crate) fn counted() -> Option<String> {
    std::env::var(VARIABLE).ok()
}

/// What one call of the function takes, whatever it calls included; nothing where valgrind is not installed.
pub(crate) fn instructions(function: &str) -> Option<f64> {
    let folder = tempfile::tempdir().expect("the system has a folder for this");
    let out = folder.path().join("callgrind.out");
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
        .arg(format!("--toggle-collect=*::{function}*"))
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().expect("the system knows which program runs"))
        .env(VARIABLE, function)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let ended = valgrind.status().ok()?;
    assert!(ended.success(), "valgrind ends with {ended}");
    let text = std::fs::read_to_string(&out).expect("callgrind leaves its file");
    let total = text.lines().find_map(|line| {
        let words = line
            .strip_prefix("totals:")
            .or_else(|| line.strip_prefix("summary:"))?;
        words.split_whitespace().next()?.parse::<f64>().ok()
    });
    total.map(|total| total / f64::from(CALLS))
}
