//! The plot, as SVG: attempts per second over the whole time, and the workers that are back after the return.

use crate::panel::{Panel, head, legend, thousands};
use crate::simulation::{Policy, Record, Storm};
use std::fmt::Write as _;

const HEIGHT: f64 = 600.0;
const COLOURS: [&str; 3] = ["#c0392b", "#8e6c00", "#1f5fa8"];
/// Seconds that one point of the upper panel stands for: whoever retries in lockstep asks in one of five.
const BIN: usize = 5;
/// Seconds after the return that are shown.
const AFTER: usize = 60;

pub(crate) fn svg(records: &[(Policy, Record)], storm: Storm) -> String {
    let returns = usize::try_from(storm.outage.as_secs()).unwrap_or(usize::MAX);
    let mut out = head(HEIGHT);
    let attempts = Panel {
        top: 60.0,
        height: 210.0,
        across: (0.0, (returns + AFTER) as f64),
        most: 100_000.0,
        logarithmic: true,
    };
    let second = |second: f64| (second, format!("{second} s"));
    let workers = storm.workers;
    attempts.axes(
        &mut out,
        &format!(
            "Attempts per second (log scale, {BIN} s mean), {} workers",
            thousands(workers as f64)
        ),
        &[0.0, 120.0, 240.0, 360.0, 480.0, 600.0, 660.0].map(second),
        &[1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0],
    );
    let back = Panel {
        top: 350.0,
        height: 200.0,
        across: (0.0, AFTER as f64),
        most: workers as f64,
        logarithmic: false,
    };
    back.axes(
        &mut out,
        &format!(
            "Workers back after the return of a database that opens {} sessions/s",
            storm.sessions
        ),
        &[0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0].map(second),
        &[0.0, 0.25, 0.5, 0.75, 1.0].map(|share| share * workers as f64),
    );
    let mark = attempts.x(returns as f64);
    let _ = writeln!(
        out,
        r#"<line x1="{mark:.1}" y1="{}" x2="{mark:.1}" y2="{}" class="mark"/>"#,
        attempts.top,
        attempts.top + attempts.height
    );
    for (index, ((policy, record), colour)) in records.iter().zip(COLOURS).enumerate() {
        let x = Panel::LEFT + 190.0 * index as f64;
        legend(&mut out, (x, 12.0), colour, policy.name());
        let mean = |bin: usize| {
            let counts = record.attempts.iter().skip(bin * BIN).take(BIN);
            f64::from(counts.sum::<u32>()) / BIN as f64
        };
        let bins = (0..(returns + AFTER) / BIN).map(|bin| ((bin * BIN) as f64, mean(bin)));
        attempts.line(&mut out, colour, bins);
        let until = |seconds: usize| {
            let counts = record.back.iter().take(returns + seconds);
            f64::from(counts.sum::<u32>())
        };
        back.line(
            &mut out,
            colour,
            (0..=AFTER).map(|second| (second as f64, until(second))),
        );
    }
    out.push_str("</svg>\n");
    out
}
