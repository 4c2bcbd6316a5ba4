//! Names of connections and profiles, and the fields that they become.

/// What is wrong with a name, and a better one.
pub(crate) struct BadName {
    pub(crate) reason: &'static str,
    pub(crate) proposal: String,
}

/// The field of a connection with this name: lower case, `-` as `_`.
pub(crate) fn field(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

/// The name in variables: the field in upper case.
pub(crate) fn upper(field: &str) -> String {
    field.to_ascii_uppercase()
}

/// `[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*`, and none of the four words that no field can have, raw or not.
/// One rule without exceptions makes every variable unambiguous: a field never holds `__`.
pub(crate) fn check(name: &str) -> Result<(), BadName> {
    let reason = if name.is_empty() {
        "a name cannot be empty"
    } else if name.len() > 64 {
        "a name has 64 characters at most"
    } else if !name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    {
        "a name is made of ASCII letters, digits, `_` and `-`"
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        "a name starts with a letter"
    } else if name.split(['_', '-']).any(str::is_empty) {
        "`_` and `-` stand one at a time, between letters or digits"
    } else if matches!(field(name).as_str(), "self" | "super" | "crate") {
        "Rust keeps this word to itself"
    } else {
        return Ok(());
    };
    Err(BadName {
        reason,
        proposal: propose(name),
    })
}

/// The nearest name that obeys the rule.
fn propose(name: &str) -> String {
    // With a `:` or an `@` it may be a URL or a login: what may not be told may not be proposed either.
    let is_plain = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
    if !name.chars().all(is_plain) {
        return "main".to_owned();
    }
    let parts: Vec<String> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    let mut proposal = parts.join("_");
    proposal.truncate(48);
    let mut proposal = proposal.trim_end_matches('_').to_owned();
    if proposal.is_empty() {
        return "main".to_owned();
    }
    if proposal.starts_with(|c: char| c.is_ascii_digit()) {
        proposal.insert_str(0, "db_");
    }
    if matches!(field(&proposal).as_str(), "self" | "super" | "crate") {
        proposal.push_str("_db");
    }
    proposal
}

/// A key as it may stand in a message: only what looks like a key. Anything else may be a piece of a value that a
/// mistake turned into a key, and that may be a secret.
pub(crate) fn quoted(key: &str) -> Option<String> {
    let plain = key.len() <= 40
        && !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
    plain.then(|| format!("`{key}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names() {
        for name in [
            "main",
            "CONNECTION",
            "user-db",
            "user_db",
            "a",
            "a1-2_b",
            "type",
            "match",
            "x86",
        ] {
            assert!(check(name).is_ok(), "{name}");
        }
        assert_eq!(field("User-DB"), "user_db");
    }

    #[test]
    fn proposes_names_that_obey_the_rule() {
        for (name, proposal) in [
            ("", "main"),
            ("1st", "db_1st"),
            ("user.db", "user_db"),
            ("user__db", "user_db"),
            ("-x", "x"),
            ("x_", "x"),
            ("self", "self_db"),
            ("Self", "Self_db"),
            ("super", "super_db"),
            ("crate", "crate_db"),
            ("größe", "gr_e"),
            ("日本", "main"),
            ("shop:hunter2@db1", "main"),
            ("mysql://u:hunter2@db1/shop", "main"),
        ] {
            let bad = check(name).err().unwrap_or_else(|| panic!("{name} was accepted"));
            assert_eq!(
                bad.proposal,
                if name == "größe" { "gr_e" } else { proposal },
                "{name}"
            );
            assert!(check(&bad.proposal).is_ok(), "{}", bad.proposal);
        }
        assert!(check(&check(&"x-".repeat(80)).err().unwrap().proposal).is_ok());
    }
}
