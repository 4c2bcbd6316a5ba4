//! `dbreg ping`: whether each connection is there.

use crate::doctor::next;
use crate::exit::{self, Failure};
use crate::live::{self, Subject};
use crate::paint::{Ink, Paint};
use crate::start::Start;
use crate::table::Table;
use clap::Args;
use futures_util::StreamExt as _;
use registry_core::{Error, ErrorKind, Inspection};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Open each connection and ask its server for one answer
///
/// Every connection that is asked for counts, whatever the file says of its start. `dbreg doctor` goes step by step.
#[derive(Args)]
#[command(after_help = "\
Examples:
  dbreg ping
  dbreg ping mysql.main memcached
  dbreg ping --profile production --json

Exit status: 0 all answered; 78 a failure does not pass without a person, 69 what failed is an outage; 2 no such
connection or the file cannot be read")]
pub(crate) struct Arguments {
    /// `mysql.main`, or `mysql` for all of a backend. Default: every connection
    #[arg(value_name = "CONNECTION")]
    connections: Vec<String>,
    /// Print JSON: an array of objects
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    start: Start,
}

pub(crate) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    let shape = arguments.start.shape()?;
    let inspection = arguments.start.inspect(&shape)?;
    live::runtime()?.block_on(async {
        let subjects = live::subjects(&inspection, &arguments.connections)?;
        let answers: Vec<Result<Duration, Error>> = futures_util::stream::iter(&subjects)
            .map(ping)
            .buffered(live::AT_ONCE)
            .collect()
            .await;
        live::close(&subjects).await;
        let pairs: Vec<(&Subject<'_>, &Result<Duration, Error>)> = subjects.iter().zip(&answers).collect();
        let text = if arguments.json {
            let array = pairs
                .iter()
                .map(|(subject, answer)| object(subject, answer, &inspection));
            format!("{:#}\n", array.collect::<Json>())
        } else {
            page(&pairs, &inspection)
        };
        let errors = answers.iter().filter_map(|answer| answer.as_ref().err());
        Ok(exit::print(text, exit::of_errors(errors)))
    })
}

/// The time of one round trip; that of opening is not in it.
async fn ping(subject: &Subject<'_>) -> Result<Duration, Error> {
    if let Err(error) = &subject.settings {
        return Err(error.clone());
    }
    let Some(handle) = &subject.handle else {
        let message = format!("this dbreg was built without {}", subject.backend);
        return Err(Error::new(ErrorKind::Config, message));
    };
    handle.ping().await
}

fn page(pairs: &[(&Subject<'_>, &Result<Duration, Error>)], inspection: &Inspection<'_>) -> String {
    let mut table = Table::new(&["CONNECTION", "HOSTS", "STATE", "TIME", "CAUSE"]);
    for (subject, answer) in pairs {
        let (ink, word, time, cause) = match answer {
            Ok(time) => (Ink::Good, "ok", live::millis(*time), String::new()),
            Err(error) => {
                let parts = [
                    error.message().to_owned(),
                    subject.layer(error, inspection),
                    next::step(error, &subject.title),
                ];
                let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                (Ink::Bad, "FAIL", String::new(), parts.join("; "))
            }
        };
        table.row([
            (Ink::Plain, subject.title.clone()),
            (Ink::Plain, subject.hosts()),
            (ink, word.to_owned()),
            (Ink::Plain, time),
            (Ink::Plain, cause),
        ]);
    }
    table.render(Paint::of(&std::io::stdout()))
}

fn object(subject: &Subject<'_>, answer: &Result<Duration, Error>, inspection: &Inspection<'_>) -> Json {
    let error = answer.as_ref().err();
    json!({
        "connection": subject.title,
        "hosts": subject.hosts(),
        "ok": answer.is_ok(),
        "latency_milliseconds": answer.as_ref().ok().map(|time| live::milliseconds(*time)),
        "error": error.map(|error| live::error_json(error, subject, inspection)),
    })
}
