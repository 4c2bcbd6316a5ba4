//! The plots: calls per second of each client of memcached, by how many tasks call at once.

use crate::page::Series;
use crate::panel::{Panel, head, legend};

const HEIGHT: f64 = 420.0;
/// Ours first, then its peers in the order of the bench.
const COLOURS: [&str; 7] = [
    "#c0392b", "#1f5fa8", "#5b8c2a", "#8e6c00", "#7b3f98", "#00818a", "#6b6b6b",
];
/// Entries of the legend in one line.
const IN_LINE: usize = 3;

/// The plot of a series of contests; across, each doubling of the tasks is as wide as another.
pub(crate) fn svg(title: &str, series: &Series) -> String {
    let mut out = head(HEIGHT);
    let across = |tasks: u32| f64::from(tasks).log2();
    let (first, last) = (series.tasks[0], series.tasks[series.tasks.len() - 1]);
    let all = series
        .entrants
        .iter()
        .flat_map(|(_, rates)| rates.iter().flatten());
    let highest = all.copied().fold(1.0, f64::max);
    // Round steps of the axis: 1, 2 or 5 times a power of ten, four to eight of them.
    let power = 10_f64.powf((highest / 4.0).log10().floor());
    let steps = [1.0, 2.0, 5.0].map(|by| by * power);
    let step = steps
        .into_iter()
        .rfind(|step| highest / step >= 4.0)
        .unwrap_or(power);
    let count = (highest / step).ceil();
    let panel = Panel {
        top: 110.0,
        height: 260.0,
        across: (across(first), across(last)),
        most: step * count,
        logarithmic: false,
    };
    let tasks: Vec<_> = series
        .tasks
        .iter()
        .map(|tasks| (across(*tasks), tasks.to_string()))
        .collect();
    let mut labels = Vec::new();
    let mut label = 0.0;
    while label <= count {
        labels.push(label * step);
        label += 1.0;
    }
    panel.axes(
        &mut out,
        &format!("{title}, by tasks that call at once"),
        &tasks,
        &labels,
    );
    for (index, ((name, rates), colour)) in series.entrants.iter().zip(COLOURS).enumerate() {
        let x = Panel::LEFT + 265.0 * (index % IN_LINE) as f64;
        legend(
            &mut out,
            (x, 10.0 + 22.0 * (index / IN_LINE) as f64),
            colour,
            name,
        );
        let points = series.tasks.iter().zip(rates);
        panel.line(
            &mut out,
            colour,
            points.filter_map(|(tasks, rate)| Some((across(*tasks), (*rate)?))),
        );
    }
    out.push_str("</svg>\n");
    out
}
