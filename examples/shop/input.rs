//! The orders of a file: one JSON object per line.

use serde::Deserialize;
use std::collections::HashSet;
use std::fmt;
use std::path::Path;

/// What fits the columns of `migrations/mysql.main`, and never overflows a sum of cents.
const NAME_LIMIT: usize = 80;
const NUMBER_LIMIT: i64 = 1_000_000;
const LINES_LIMIT: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    pub(crate) customer: String,
    pub(crate) lines: Vec<Line>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) product: String,
    pub(crate) quantity: i64,
    /// The price of one.
    pub(crate) cents: i64,
}

/// What is wrong with the file, and where.
pub(crate) struct Mistake {
    file: String,
    /// Line and column, both from 1.
    line: Option<usize>,
    column: Option<usize>,
    message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        f.write_str(": ")?;
        // Words of the file may be in it, and those may steer a terminal.
        self.message.chars().try_for_each(|c| match c {
            c if c.is_control() => write!(f, "{}", c.escape_default()),
            c => write!(f, "{c}"),
        })
    }
}

/// Reads the orders, or tells every mistake. Empty lines mean nothing.
pub(crate) fn read(path: &Path) -> Result<Vec<Order>, Vec<Mistake>> {
    let mistake = |line, column, message| Mistake {
        file: path.display().to_string(),
        line,
        column,
        message,
    };
    let bytes =
        std::fs::read(path).map_err(|error| vec![mistake(None, None, format!("cannot read it: {error}"))])?;
    let (mut orders, mut mistakes) = (Vec::new(), Vec::new());
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        match serde_json::from_slice::<Order>(text) {
            Ok(order) => match check(&order) {
                Ok(()) => orders.push(order),
                Err(message) => mistakes.push(mistake(Some(line), None, message)),
            },
            Err(error) => {
                let text = error.to_string();
                // serde_json counts lines from the start of its own text, which is always one line here.
                let message = text
                    .rsplit_once(" at line ")
                    .map_or(text.as_str(), |(words, _)| words);
                mistakes.push(mistake(Some(line), Some(error.column()), message.to_owned()));
            }
        }
    }
    if orders.is_empty() && mistakes.is_empty() {
        mistakes.push(mistake(None, None, "expected orders, found none".to_owned()));
    }
    if mistakes.is_empty() {
        Ok(orders)
    } else {
        Err(mistakes)
    }
}

fn check(order: &Order) -> Result<(), String> {
    check_name("customer", &order.customer)?;
    if !(1..=LINES_LIMIT).contains(&order.lines.len()) {
        let found = order.lines.len();
        return Err(format!("expected 1 to {LINES_LIMIT} `lines`, found {found}"));
    }
    let mut products = HashSet::new();
    for line in &order.lines {
        check_name("product", &line.product)?;
        // As the database compares names: without regard to trailing blanks.
        if !products.insert(line.product.trim_end_matches(' ')) {
            return Err(format!(
                "the product `{}` stands in two lines of one order",
                line.product
            ));
        }
        for (key, least, number) in [("quantity", 1, line.quantity), ("cents", 0, line.cents)] {
            if !(least..=NUMBER_LIMIT).contains(&number) {
                return Err(format!(
                    "`{key}` expects a number from {least} to {NUMBER_LIMIT}, found {number}"
                ));
            }
        }
    }
    Ok(())
}

fn check_name(key: &str, name: &str) -> Result<(), String> {
    if name.trim().is_empty() || name.chars().count() > NAME_LIMIT || name.chars().any(char::is_control) {
        return Err(format!("`{key}` expects 1 to {NAME_LIMIT} printable characters"));
    }
    Ok(())
}
