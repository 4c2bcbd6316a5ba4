//! The plot, as SVG: the workers that are back after the return.

use crate::panel::{Panel, head, legend, thousands};
use crate::simulation::{Fleet, Record};

const HEIGHT: f64 = 400.0;
const COLOURS: [&str; 6] = ["#c0392b", "#e67e22", "#8e6c00", "#2e7d32", "#1f5fa8", "#7b1fa2"];
/// Seconds after the return that are shown.
const AFTER: usize = 90;

pub(crate) fn svg(records: &[(Fleet, Record)]) -> String {
    let mut out = head(HEIGHT);
    let workers = records
        .first()
        .map_or(0, |(fleet, _)| fleet.running + fleet.starting) as f64;
    let back = Panel {
        top: 110.0,
        height: 250.0,
        across: (0.0, AFTER as f64),
        most: workers,
        logarithmic: false,
    };
    let second = |second: f64| (second, format!("{second} s"));
    back.axes(
        &mut out,
        &format!(
            "Workers that work again, of {}, after the return",
            thousands(workers)
        ),
        &[0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0].map(second),
        &[0.0, 0.25, 0.5, 0.75, 1.0].map(|share| share * workers),
    );
    for (index, ((fleet, record), colour)) in records.iter().zip(COLOURS).enumerate() {
        let (column, row) = ((index / 2) as f64, (index % 2) as f64);
        let name = format!(
            "{}/s, {} at most, waiting {} s",
            thousands(f64::from(fleet.sessions)),
            thousands(fleet.limit as f64),
            fleet.patience.as_secs()
        );
        let place = (Panel::LEFT + 265.0 * column, 12.0 + 24.0 * row);
        legend(&mut out, place, colour, &name);
        let returns = usize::try_from(fleet.outage.as_secs()).unwrap_or(usize::MAX);
        let until = |seconds: usize| {
            let counts = record.back.iter().take(returns + seconds);
            f64::from(counts.sum::<u32>())
        };
        let points = (0..=AFTER).map(|second| (second as f64, until(second)));
        back.line(&mut out, colour, points);
    }
    out.push_str("</svg>\n");
    out
}
