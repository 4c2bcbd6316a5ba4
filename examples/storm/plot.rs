//! The plot, as SVG: attempts per second over the whole time, and the workers that are back after the return.

use crate::simulation::{Policy, Record, Storm};
use std::fmt::Write as _;

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 600.0;
const COLOURS: [&str; 3] = ["#c0392b", "#8e6c00", "#1f5fa8"];
/// Seconds that one point of the upper panel stands for: whoever retries in lockstep asks in one of five.
const BIN: usize = 5;
/// Seconds after the return that are shown.
const AFTER: usize = 60;

/// A panel: where it is, and what its axes go to.
struct Panel {
    top: f64,
    height: f64,
    seconds: (f64, f64),
    most: f64,
    logarithmic: bool,
}

impl Panel {
    const LEFT: f64 = 70.0;
    const RIGHT: f64 = WIDTH - 20.0;

    fn x(&self, second: f64) -> f64 {
        let (from, to) = self.seconds;
        Self::LEFT + (second - from) / (to - from) * (Self::RIGHT - Self::LEFT)
    }

    fn y(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            value.max(1.0).log10() / self.most.log10()
        } else {
            value / self.most
        };
        self.top + self.height * (1.0 - share)
    }

    fn axes(&self, out: &mut String, title: &str, seconds: &[f64], values: &[f64]) {
        let (left, right, top) = (Self::LEFT, Self::RIGHT, self.top);
        let bottom = top + self.height;
        let _ = writeln!(
            out,
            r#"<text x="{left}" y="{}" class="title">{title}</text>"#,
            top - 12.0
        );
        for value in values {
            let y = self.y(*value);
            let _ = writeln!(
                out,
                r#"<line x1="{left}" y1="{y:.1}" x2="{right}" y2="{y:.1}" class="grid"/><text x="{:.1}" y="{:.1}" text-anchor="end">{}</text>"#,
                left - 6.0,
                y + 4.0,
                thousands(*value)
            );
        }
        for second in seconds {
            let x = self.x(*second);
            let _ = writeln!(
                out,
                r#"<line x1="{x:.1}" y1="{bottom}" x2="{x:.1}" y2="{}" class="axis"/><text x="{x:.1}" y="{}" text-anchor="middle">{second} s</text>"#,
                bottom + 4.0,
                bottom + 18.0
            );
        }
        let _ = writeln!(out, r#"<path d="M{left} {top}V{bottom}H{right}" class="axis"/>"#);
    }

    fn line(&self, out: &mut String, colour: &str, points: impl Iterator<Item = (f64, f64)>) {
        let mut path = String::new();
        for (index, (second, value)) in points.enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", self.x(second), self.y(value));
        }
        let _ = writeln!(out, r#"<path d="{path}" class="line" stroke="{colour}"/>"#);
    }
}

pub(crate) fn svg(records: &[(Policy, Record)], storm: Storm) -> String {
    let returns = usize::try_from(storm.outage.as_secs()).unwrap_or(usize::MAX);
    let mut out = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">
<style>text{{fill:#333}}.title{{font-size:14px;font-weight:bold}}.grid{{stroke:#e4e4e4}}.axis{{stroke:#555;fill:none}}.line{{fill:none;stroke-width:1.8;stroke-linejoin:round}}.mark{{stroke:#555;stroke-dasharray:4 3}}</style>
<rect width="100%" height="100%" fill="#fff"/>
"##
    );
    let attempts = Panel {
        top: 60.0,
        height: 210.0,
        seconds: (0.0, (returns + AFTER) as f64),
        most: 100_000.0,
        logarithmic: true,
    };
    let workers = storm.workers;
    attempts.axes(
        &mut out,
        &format!(
            "Attempts per second (log scale, {BIN} s mean), {} workers",
            thousands(workers as f64)
        ),
        &[0.0, 120.0, 240.0, 360.0, 480.0, 600.0, 660.0],
        &[1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0],
    );
    let back = Panel {
        top: 350.0,
        height: 200.0,
        seconds: (0.0, AFTER as f64),
        most: workers as f64,
        logarithmic: false,
    };
    back.axes(
        &mut out,
        &format!(
            "Workers back after the return of a database that opens {} sessions/s",
            storm.sessions
        ),
        &[0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0],
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
        let _ = writeln!(
            out,
            r#"<rect x="{x}" y="12" width="14" height="14" fill="{colour}"/><text x="{}" y="24">{}</text>"#,
            x + 20.0,
            policy.name()
        );
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

fn thousands(value: f64) -> String {
    if value >= 1_000.0 {
        let value = value.round() as u64;
        format!("{},{:03}", value / 1_000, value % 1_000)
    } else {
        value.to_string()
    }
}
