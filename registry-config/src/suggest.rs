//! "Did you mean": the candidate that is a slip of the pen away.

/// The candidate that `word` was most likely meant to be. Case does not count, nor does `-` against `_`.
#[must_use]
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = fold(word);
    // Longer words are no names of ours, and the distance costs the product of the lengths.
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let limit = match word.len() {
        1 => 0,
        2..=4 => 1,
        5..=9 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= 128)
        .map(|candidate| (distance(&word, &fold(candidate)), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The word without what people mistype most: case, `-`, `_`.
fn fold(word: &str) -> Vec<char> {
    word.chars()
        .filter(|c| !matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Optimal string alignment: insertions, deletions, replacements and swaps of neighbours cost one each.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row[j] = best;
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_of_the_pen() {
        let keys = [
            "username",
            "password",
            "db",
            "connections",
            "host",
            "port",
            "pool.max",
        ];
        for (word, expected) in [
            ("pasword", Some("password")),
            ("passwrod", Some("password")),
            ("Host", Some("host")),
            ("user-name", Some("username")),
            ("bd", Some("db")),
            ("hsot", Some("host")),
            ("poolmax", Some("pool.max")),
            ("x", None),
            ("", None),
            ("colour", None),
        ] {
            assert_eq!(suggest(word, keys), expected, "{word}");
        }
    }

    #[test]
    fn prefers_the_nearest() {
        assert_eq!(suggest("port", ["host", "sort", "port"]), Some("port"));
        assert_eq!(suggest(&"a".repeat(10_000), ["a"]), None);
    }
}
