//! References: `{ env = … }` and `{ file = … }`, resolved at each start.

use crate::error::Error;
use crate::file;
use crate::kind::ErrorKind;
#[cfg(any(feature = "mysql", feature = "mongodb", feature = "postgres"))]
use registry_config::{ConnectionUrl, Settings, Value};
use registry_config::{Host, HostName, Reference, Secret};
use std::path::Path;

/// The most that a file of a reference may hold: a larger one is not a secret but a mistake.
const FILE_LIMIT: u64 = 64 * 1024;

/// Reads what a reference points to. A trailing newline of a file is stripped; empty and missing are errors that name
/// the variable or the file, never its content.
pub(crate) fn resolve(reference: &Reference) -> Result<Secret, Error> {
    let text = match reference {
        Reference::Env(name) => match std::env::var(name.as_ref()) {
            Ok(text) => text,
            Err(std::env::VarError::NotPresent) => {
                return Err(config(format!("the environment variable `{name}` is not set")));
            }
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(config(format!(
                    "the environment variable `{name}` is not valid UTF-8"
                )));
            }
        },
        Reference::File(path) => read_file(Path::new(path.as_ref()))?,
    };
    if text.contains('\0') {
        // A login is made of texts that end with it: what follows would be read as the next one.
        return Err(config(format!(
            "{} holds a NUL, which no server takes",
            subject(reference)
        )));
    }
    if text.is_empty() {
        return Err(config(format!("{} is empty", subject(reference))));
    }
    Ok(Secret::new(text.into()))
}

fn subject(reference: &Reference) -> String {
    match reference {
        Reference::Env(name) => format!("the environment variable `{name}`"),
        Reference::File(path) => format!("the file `{path}`"),
    }
}

fn read_file(path: &Path) -> Result<String, Error> {
    let mut text = file::read(path, FILE_LIMIT).map_err(config)?;
    warn_if_open_to_others(path);
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

#[cfg(unix)]
fn warn_if_open_to_others(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path).map_or(0, |found| found.permissions().mode() & 0o777);
    if mode & 0o007 != 0 {
        let path = path.display();
        tracing::warn!(
            "the file `{path}` with a secret is open to every user (mode {mode:03o}); write `chmod o-rwx`"
        );
    }
}

#[cfg(not(unix))]
fn warn_if_open_to_others(_: &Path) {}

fn config(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(any(feature = "mysql", feature = "mongodb", feature = "postgres"))]
/// The text of a key that may be a reference; `None` when it is not set.
pub(crate) fn text(settings: &Settings, key: &str) -> Result<Option<String>, Error> {
    Ok(secret(settings, key)?.map(|secret| secret.expose().to_owned()))
}

#[cfg(any(feature = "mysql", feature = "mongodb", feature = "postgres"))]
/// The secret of a key; `None` when it is not set, or empty, which means the same.
pub(crate) fn secret(settings: &Settings, key: &str) -> Result<Option<Secret>, Error> {
    let Some(setting) = settings.value(key) else {
        return Ok(None);
    };
    let secret = match &setting.value {
        Value::Reference(reference) => resolve(reference).map_err(|error| {
            let error = error.during(format!("`{key}`"));
            match key == "password" && error.message().ends_with(" is empty") {
                true => error.help("for an account without a password write `password = \"\"`"),
                false => error,
            }
        })?,
        Value::Secret(secret) => secret.clone(),
        Value::Text(text) => Secret::new(text.clone()),
        _ => return Ok(None),
    };
    Ok((!secret.is_empty()).then_some(secret))
}

#[cfg(any(feature = "mysql", feature = "mongodb", feature = "postgres"))]
/// Whether a refused credential can be mended by whoever rotates a file: the password or the URL comes from one.
pub(crate) fn from_file(settings: &Settings) -> bool {
    ["password", "url"].into_iter().any(|key| {
        settings
            .value(key)
            .is_some_and(|setting| matches!(setting.value, Value::Reference(Reference::File(_))))
    })
}

/// The hosts of a connection as names and ports.
pub(crate) fn hosts(hosts: &[Host], default_port: u16) -> Result<Vec<(String, u16)>, Error> {
    hosts
        .iter()
        .map(|host| {
            let name = match &host.host {
                HostName::Literal(name) => name.to_string(),
                HostName::Reference(reference) => resolve(reference)
                    .map_err(|e| e.during("`host`"))?
                    .expose()
                    .to_owned(),
            };
            Ok((name, host.port.unwrap_or(default_port)))
        })
        .collect()
}

#[cfg(any(feature = "mysql", feature = "mongodb", feature = "postgres"))]
/// The hosts of a connection for people, and for a master that waits for them: `db1:3306,db2:3306`. Of a URL those that it
/// names, unless a file holds it: then, where it comes from. Nothing else of a URL is shown.
pub(crate) fn shown_hosts(settings: &Settings, backend: &str) -> String {
    let spec = registry_config::backend(backend).expect("the backend has a row in the table");
    let listed = |hosts: &[Host], port| {
        let addresses: Vec<String> = hosts.iter().map(|host| host.address(port)).collect();
        addresses.join(",")
    };
    let Some(setting) = settings.value("url").filter(|_| settings.hosts().is_empty()) else {
        return listed(settings.hosts(), spec.default_port);
    };
    let elsewhere = match &setting.value {
        Value::Reference(reference @ Reference::File(_)) => return format!("url from {reference}"),
        Value::Reference(reference) => format!("url from {reference}"),
        _ => "url".to_owned(),
    };
    let Ok(Some(url)) = secret(settings, "url") else {
        return elsewhere;
    };
    match ConnectionUrl::parse(url.expose(), spec) {
        // A name that a lookup turns into hosts has no port.
        Ok(url) if url.scheme.ends_with("+srv") => listed(&url.hosts, None),
        Ok(url) => listed(&url.hosts, spec.default_port),
        Err(_) => elsewhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
        file
    }

    fn reference(path: &Path) -> Reference {
        Reference::File(path.to_str().unwrap().to_owned().into())
    }

    #[test]
    fn strips_one_newline_and_nothing_else() {
        for (content, expected) in [
            ("s3cret\n", "s3cret"),
            ("s3cret\r\n", "s3cret"),
            (" a b \n\n", " a b \n"),
        ] {
            let file = file(content.as_bytes());
            assert_eq!(resolve(&reference(file.path())).unwrap().expose(), expected);
        }
    }

    #[test]
    fn names_the_file_and_never_what_is_in_it() {
        let (large, binary) = (file(&vec![b'x'; 65 * 1024]), file(b"canary\xff"));
        let (empty, newline) = (file(b""), file(b"\n"));
        let nul = file(b"canary\0");
        for (path, words) in [
            (large.path(), "more than 65536 bytes"),
            (binary.path(), "not valid UTF-8"),
            (nul.path(), "holds a NUL"),
            (empty.path(), "is empty"),
            (newline.path(), "is empty"),
            (Path::new("/nonexistent/secret"), "no such file"),
            (Path::new("/dev/null"), "not a regular file"),
        ] {
            let error = resolve(&reference(path)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.message().contains(path.to_str().unwrap()), "{error}");
            assert!(error.message().contains(words), "{error}");
            assert!(!error.message().contains("canary"));
        }
    }

    #[test]
    fn names_the_variable_that_is_not_set() {
        let error = resolve(&Reference::Env("DBREG_TEST_NOT_SET".into())).unwrap_err();
        assert_eq!(
            error.message(),
            "the environment variable `DBREG_TEST_NOT_SET` is not set"
        );
    }

    #[cfg(any(feature = "mysql", feature = "mongodb", feature = "postgres"))]
    #[test]
    fn the_hosts_of_a_url_are_shown_and_nothing_else_of_it() {
        let shown = |backend: &str, keys: &str| {
            let loaded = registry_config::load(&format!("[{backend}.x]\n{keys}"), "databases.toml");
            let is_mistake =
                |one: &&registry_config::Diagnostic| one.severity == registry_config::Severity::Error;
            let mistake = loaded.diagnostics.iter().find(is_mistake);
            assert!(mistake.is_none(), "{mistake:?}");
            let connection = &loaded.shape.connections[0];
            shown_hosts(&registry_config::resolve(connection, None, &[]).unwrap(), backend)
        };
        for (backend, keys, expected) in [
            (
                "mysql",
                "host = \"db1\"\nusername = \"u\"\ndb = \"d\"",
                "db1:3306",
            ),
            ("mysql", "url = \"mysql://u@db1/d\"", "db1:3306"),
            ("postgres", "url = \"postgres://u@[::1]:6000/d\"", "[::1]:6000"),
            ("mongodb", "url = \"mongodb://u@m1,m2:7/d\"", "m1:27017,m2:7"),
            (
                "mongodb",
                "url = \"mongodb+srv://u@m.example.com/d\"",
                "m.example.com",
            ),
            // Every process has this variable, and it is no URL.
            ("mysql", "url = { env = \"PATH\" }", "url from variable PATH"),
            ("mysql", "url = { file = \"/x\" }", "url from /x"),
        ] {
            assert_eq!(shown(backend, keys), expected, "{keys}");
        }
    }
}
