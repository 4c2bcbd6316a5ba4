//! A panel of a plot: axes and lines, as SVG. Every plot under `docs/` is drawn with it.

use std::fmt::Write as _;

pub(crate) const WIDTH: f64 = 880.0;

/// Everything before the first panel.
pub(crate) fn head(height: f64) -> String {
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">
<style>text{{fill:#333}}.title{{font-size:14px;font-weight:bold}}.grid{{stroke:#e4e4e4}}.axis{{stroke:#555;fill:none}}.line{{fill:none;stroke-width:1.8;stroke-linejoin:round}}.mark{{stroke:#555;stroke-dasharray:4 3}}</style>
<rect width="100%" height="100%" fill="#fff"/>
"##
    )
}

/// A colour and what it stands for, at the top.
pub(crate) fn legend(out: &mut String, at: (f64, f64), colour: &str, name: &str) {
    let (x, y) = at;
    let _ = writeln!(
        out,
        r#"<rect x="{x}" y="{y}" width="14" height="14" fill="{colour}"/><text x="{}" y="{}">{name}</text>"#,
        x + 20.0,
        y + 12.0
    );
}

/// A panel: where it is, and what its axes go to.
pub(crate) struct Panel {
    pub(crate) top: f64,
    pub(crate) height: f64,
    /// The ends of the axis across.
    pub(crate) across: (f64, f64),
    pub(crate) most: f64,
    pub(crate) logarithmic: bool,
}

impl Panel {
    pub(crate) const LEFT: f64 = 70.0;
    const RIGHT: f64 = WIDTH - 20.0;

    pub(crate) fn x(&self, at: f64) -> f64 {
        let (from, to) = self.across;
        Self::LEFT + (at - from) / (to - from) * (Self::RIGHT - Self::LEFT)
    }

    fn y(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            value.max(1.0).log10() / self.most.log10()
        } else {
            value / self.most
        };
        self.top + self.height * (1.0 - share)
    }

    /// The axes with their labels: those across as they are given, those that go up as numbers.
    pub(crate) fn axes(&self, out: &mut String, title: &str, across: &[(f64, String)], values: &[f64]) {
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
        for (at, label) in across {
            let x = self.x(*at);
            let _ = writeln!(
                out,
                r#"<line x1="{x:.1}" y1="{bottom}" x2="{x:.1}" y2="{}" class="axis"/><text x="{x:.1}" y="{}" text-anchor="middle">{label}</text>"#,
                bottom + 4.0,
                bottom + 18.0
            );
        }
        let _ = writeln!(out, r#"<path d="M{left} {top}V{bottom}H{right}" class="axis"/>"#);
    }

    pub(crate) fn line(&self, out: &mut String, colour: &str, points: impl Iterator<Item = (f64, f64)>) {
        let mut path = String::new();
        for (index, (at, value)) in points.enumerate() {
            let letter = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", self.x(at), self.y(value));
        }
        let _ = writeln!(out, r#"<path d="{path}" class="line" stroke="{colour}"/>"#);
    }
}

pub(crate) fn thousands(value: f64) -> String {
    if value >= 1_000.0 {
        let value = value.round() as u64;
        format!("{},{:03}", value / 1_000, value % 1_000)
    } else {
        value.to_string()
    }
}
