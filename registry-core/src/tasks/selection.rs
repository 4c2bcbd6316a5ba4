//! Which connections a verb is for: `mysql.main`, a whole backend, or all.

use super::subject::Subject;
use registry_config::Shape;
use std::path::Path;

/// What is wrong with the names that were given, a text each.
pub(crate) fn mistakes(subjects: &[Subject], names: &[String], known_to_destroy: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for name in names {
        match matching(subjects, name) {
            chosen if chosen.is_empty() => found.push(unknown(subjects, name)),
            chosen => {
                // Of a backend, those that take part are meant; where none does, there is nothing to do.
                let excluded = chosen.iter().filter(|subject| !subject.takes_tasks);
                let excluded: Vec<&str> = excluded.map(|subject| subject.label.as_str()).collect();
                if excluded.len() == chosen.len() {
                    let (who, has) = (
                        excluded.join(", "),
                        if excluded.len() == 1 { "has" } else { "have" },
                    );
                    found.push(format!(
                        "{who} {has} `tasks = false`, which excludes from every verb"
                    ));
                }
            }
        }
    }
    for name in known_to_destroy {
        if !subjects.iter().any(|subject| subject.label == *name) {
            let labels = subjects.iter().map(|subject| subject.label.as_str());
            let help = match registry_config::suggest(name, labels) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "a whole backend is not enough".to_owned(),
            };
            found.push(format!(
                "expected the exact name of a connection that may be destroyed, found `{name}`; {help}"
            ));
        }
    }
    if found.is_empty() && names.is_empty() && !subjects.iter().any(|subject| subject.takes_tasks) {
        found.push("every connection has `tasks = false`: there is nothing to do this to".to_owned());
    }
    found
}

/// The subjects, those that the names mean marked as selected. The names have no mistakes.
pub(crate) fn select(mut subjects: Vec<Subject>, names: &[String]) -> Vec<Subject> {
    for subject in &mut subjects {
        let named = names.is_empty() || names.iter().any(|name| is_meant(subject, name));
        subject.selected = subject.takes_tasks && named;
        subject.left_out = !subject.takes_tasks && named;
    }
    subjects
}

/// The folders of migrations or of fixtures that belong to no connection, a text each: a slip of the pen there would be
/// a migration that is never applied. A folder of something else has no name like `mysql.main`.
pub(crate) fn stray_folders(subjects: &[Subject], shape: &Shape, folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten().filter(|entry| entry.path().is_dir()) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((backend, connection)) = name.split_once('.') else {
            continue;
        };
        let field = connection.to_ascii_lowercase().replace('-', "_");
        let is_known = subjects.iter().any(|subject| subject.label == name)
            || shape
                .others
                .iter()
                .any(|other| *other == format!("{backend}.{field}"));
        if is_known || registry_config::backend(backend).is_none() {
            continue;
        }
        let path = entry.path();
        let labels = subjects.iter().map(|subject| subject.label.as_str());
        let help = match registry_config::suggest(&name, labels) {
            Some(near) => format!("\nhelp: did you mean `{near}`?"),
            None => String::new(),
        };
        found.push(format!(
            "the folder `{}` belongs to no connection{help}",
            path.display()
        ));
    }
    found.sort();
    found
}

fn matching<'a>(subjects: &'a [Subject], name: &str) -> Vec<&'a Subject> {
    let meant = subjects.iter().filter(|subject| is_meant(subject, name));
    meant.collect()
}

/// Whether a name means this connection: `mysql.main`, as written or as the field, or its backend.
fn is_meant(subject: &Subject, name: &str) -> bool {
    match name.split_once('.') {
        None => subject.backend == name,
        Some((backend, name)) => {
            subject.backend == backend && (subject.name == name || subject.field == name)
        }
    }
}

fn unknown(subjects: &[Subject], name: &str) -> String {
    let labels = subjects.iter().map(|subject| subject.label.as_str());
    let mut backends: Vec<&str> = subjects.iter().map(|subject| subject.backend).collect();
    backends.dedup();
    let what = if name.contains('.') {
        "connection"
    } else {
        "backend or connection"
    };
    // `main` alone: the backend was forgotten.
    let bare = subjects
        .iter()
        .find(|subject| subject.name == name || subject.field == name)
        .map(|subject| subject.label.as_str());
    let near = bare.or_else(|| registry_config::suggest(name, labels.clone().chain(backends)));
    match near {
        Some(near) => format!("no {what} `{name}`; did you mean `{near}`?"),
        None => format!(
            "no {what} `{name}`; there are: {}",
            labels.collect::<Vec<_>>().join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::kind::ErrorKind;
    use std::time::Duration;

    fn subject(backend: &'static str, name: &str, takes_tasks: bool) -> Subject {
        Subject {
            label: format!("{backend}.{name}"),
            backend,
            name: name.to_owned(),
            field: name.to_lowercase().replace('-', "_"),
            steps: Err(Error::new(ErrorKind::Config, "none")),
            connect_timeout: Duration::from_secs(1),
            takes_tasks,
            selected: false,
            left_out: false,
            reasons: Vec::new(),
            places: Vec::new(),
            shares_with: Vec::new(),
        }
    }

    fn all() -> Vec<Subject> {
        vec![
            subject("mysql", "User-DB", true),
            subject("mysql", "legacy", false),
            subject("memcached", "cache", true),
        ]
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn selected(given: &[&str]) -> Vec<String> {
        let given = names(given);
        assert!(mistakes(&all(), &given, &[]).is_empty());
        let subjects = select(all(), &given).into_iter();
        subjects.filter(|s| s.selected).map(|s| s.label).collect()
    }

    #[test]
    fn means_a_connection_a_backend_or_all_that_take_part() {
        assert_eq!(selected(&[]), ["mysql.User-DB", "memcached.cache"]);
        assert_eq!(selected(&["mysql"]), ["mysql.User-DB"]);
        assert_eq!(selected(&["mysql.user_db"]), ["mysql.User-DB"]);
        assert_eq!(selected(&["memcached.cache", "mysql.User-DB"]).len(), 2);
    }

    #[test]
    fn every_wrong_name_is_answered_with_the_nearest() {
        let given = names(&["mysql.user-bd", "mysq", "cache", "mysql.legacy", "nonsense"]);
        assert_eq!(
            mistakes(&all(), &given, &names(&["mysql", "mysql.user_db"])),
            [
                "no connection `mysql.user-bd`; did you mean `mysql.User-DB`?",
                "no backend or connection `mysq`; did you mean `mysql`?",
                "no backend or connection `cache`; did you mean `memcached.cache`?",
                "mysql.legacy has `tasks = false`, which excludes from every verb",
                "no backend or connection `nonsense`; there are: mysql.User-DB, mysql.legacy, memcached.cache",
                "expected the exact name of a connection that may be destroyed, found `mysql`; a whole backend is not \
                 enough",
                "expected the exact name of a connection that may be destroyed, found `mysql.user_db`; did you mean \
                 `mysql.User-DB`?",
            ]
        );
        let none = vec![subject("mysql", "legacy", false), subject("mysql", "old", false)];
        assert_eq!(
            mistakes(&none, &names(&["mysql"]), &[]),
            ["mysql.legacy, mysql.old have `tasks = false`, which excludes from every verb"]
        );
        assert_eq!(mistakes(&none, &[], &[]).len(), 1);
        assert_eq!(mistakes(&none, &names(&["mysql"]), &[]).len(), 1);
    }
}
