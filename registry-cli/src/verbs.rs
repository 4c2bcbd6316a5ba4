//! `dbreg create`, `drop`, `migrate`, `fill`, `clear`, `purge`, `build`, `rebuild`, `refill`: prepares databases.

mod arguments;
mod progress;
mod state;

pub(crate) use arguments::Verbs;

use crate::dev::Signals;
use crate::exit::{self, Failure};
use crate::live;
use crate::paint::{Ink, Paint};
use crate::selection::select;
use arguments::Request;
use progress::Progress;
use registry_core::tasks::{Tasks, TasksBuilder};

pub(crate) fn run(verbs: &Verbs) -> Result<u8, Failure> {
    let request = verbs.request()?;
    let tasks = tasks(&request)?;
    let runtime = live::runtime()?;
    let status = runtime.block_on(async {
        let mut signals = Signals::new().map_err(|cause| {
            let message = format!("cannot listen to signals: {cause}");
            Failure(exit::UNAVAILABLE, Some(message))
        })?;
        tokio::select! {
            biased;
            signal = signals.next() => {
                // Dropped: what can be rolled back is.
                exit::say("interrupted; what was done stays done, and the same command goes on from there");
                tokio::select! {
                    biased;
                    // Whoever says it twice does not wait.
                    _ = signals.next() => {}
                    () = tasks.let_go() => {}
                }
                Ok(exit::SIGNAL + signal.number())
            }
            status = perform(&request, &tasks) => Ok(status),
        }
    });
    // A name that nobody answers for is looked up on a thread that knows no deadline; nothing waits for it.
    runtime.shutdown_background();
    status
}

/// The connections, and what may be done to them. Wrong names are answered with the nearest right ones.
fn tasks(request: &Request<'_>) -> Result<Tasks, Failure> {
    let common = request.common;
    // What somebody names is there: a slip must not pass for a project without migrations.
    let root = common.root.iter();
    let root = root.map(|folder| (folder, "`--root` is the one with migrations/ and fixtures/"));
    let migrations = common.migrations.iter();
    let migrations = migrations.map(|folder| {
        (
            folder,
            "`--migrations` is the one with a folder for each connection",
        )
    });
    for (folder, help) in migrations.chain(root) {
        if !folder.is_dir() {
            let message = format!("there is no folder `{}`; {help}", folder.display());
            return Err(Failure(exit::USAGE, Some(message)));
        }
    }
    let shape = common.start.shape()?;
    let inspection = common.start.inspect(&shape)?;
    select(inspection.shape(), request.connections)?;
    drop(inspection);
    let mut builder = common.start.lay_on(TasksBuilder::new(shape)).root(common.root());
    if let Some(migrations) = &common.migrations {
        builder = builder.migrations(migrations);
    }
    for name in request.connections {
        builder = builder.only(name);
    }
    for name in request.known {
        builder = builder.i_know_this_destroys(name);
    }
    builder = builder
        .migrate_to(request.to)
        .replace(request.replace)
        .all_keys(request.all_keys)
        .wait(common.wait);
    if let Some(deadline) = common.step_deadline {
        builder = builder.step_deadline(deadline);
    }
    // The values are in order: what is wrong now is wrong with the command line.
    builder.build().map_err(|error| {
        error.problems().for_each(exit::say);
        Failure(exit::USAGE, None)
    })
}

async fn perform(request: &Request<'_>, tasks: &Tasks) -> u8 {
    let common = request.common;
    let paint = Paint::of(&std::io::stdout());
    if request.status {
        return state::tell(tasks, common.json, paint).await;
    }
    if common.dry_run {
        let plan = tasks.plan(request.verb).await;
        let text = told(common.json, paint, &plan, || plan.to_json());
        return exit::print(text, code(plan.exit_code()));
    }
    let progress = Progress::new();
    let run = tasks.run(request.verb, |event| progress.tell(&event));
    let report = progress.attend(run).await;
    let text = told(common.json, paint, &report, || report.to_json());
    exit::print(text, code(report.exit_code()))
}

fn told(
    json: bool,
    paint: Paint,
    text: &dyn std::fmt::Display,
    object: impl FnOnce() -> serde_json::Value,
) -> String {
    if json {
        format!("{:#}\n", object())
    } else {
        coloured(&text.to_string(), paint) + "\n"
    }
}

/// The word that each line of a report begins with, in its colour.
fn coloured(text: &str, paint: Paint) -> String {
    let words = [("ok", Ink::Good), ("FAIL", Ink::Bad), ("REFUSED", Ink::Bad)];
    let lines = text.lines().map(|line| {
        let body = line.trim_start_matches(' ');
        let indent = &line[..line.len() - body.len()];
        let first = words
            .iter()
            .find(|(word, _)| body.starts_with(&format!("{word} ")));
        match first {
            Some((word, ink)) if !indent.is_empty() => {
                format!("{indent}{}{}", paint.draw(*ink, word), &body[word.len()..])
            }
            _ => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(exit::UNAVAILABLE)
}
