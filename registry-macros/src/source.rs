//! Finds the file and reads it.

use crate::attrs::Source;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const DEFAULT: &str = "databases.toml";
/// The name of an inline text in messages.
const INLINE: &str = "#[registry(toml)]";
/// Ten thousand connections need a tenth of it. A larger file is another one, taken by mistake.
const MOST_BYTES: u64 = 16 << 20;
const SAMPLE: &str = "    [mysql.main]\n    host = \"127.0.0.1\"\n    db   = \"shop\"";

/// The text, and what to call it.
pub(crate) struct SourceText {
    pub(crate) text: String,
    /// Its name in messages: the path as written, relative to the crate.
    pub(crate) name: String,
    /// The path that cargo is to watch, relative to the crate; none for an inline text.
    pub(crate) tracked: Option<String>,
}

/// Reads the text, or says where it was looked for and what to write.
pub(crate) fn read(source: &Source) -> Result<SourceText, String> {
    match source {
        Source::Inline(literal) => Ok(SourceText {
            text: literal.value(),
            name: INLINE.to_owned(),
            tracked: None,
        }),
        Source::File(literal) => {
            // rustc's own directory is that of the workspace.
            let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).ok_or(
                "the variable CARGO_MANIFEST_DIR is not set; build with cargo, or write the text as `toml = \"…\"`",
            )?;
            read_file(&root, literal.as_ref().map(syn::LitStr::value).as_deref())
        }
    }
}

fn read_file(root: &Path, written: Option<&str>) -> Result<SourceText, String> {
    let name = written.unwrap_or(DEFAULT);
    if name.is_empty() || Path::new(name).has_root() || Path::new(name).is_absolute() {
        // An absolute path makes the build of one machine differ from that of another.
        return Err("expected a path relative to the folder of Cargo.toml; write `path = \"config/databases.toml\"`, say, \
                    instead"
            .to_owned());
    }
    let path = root.join(name);
    match std::fs::metadata(&path) {
        // A pipe or a device never ends, and the build with it.
        Ok(found) if !found.is_file() && !found.is_dir() => {
            return Err(format!(
                "expected a file, found something else at {}",
                path.display()
            ));
        }
        Ok(found) if found.is_file() && found.len() > MOST_BYTES => {
            return Err(format!(
                "{name}: expected at most {MOST_BYTES} bytes, found {}; write the path of databases.toml instead",
                found.len()
            ));
        }
        _ => {}
    }
    match std::fs::read(&path) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes)
                .map_err(|error| not_utf8(name, error.as_bytes(), error.utf8_error().valid_up_to()))?;
            Ok(SourceText {
                text,
                name: name.to_owned(),
                tracked: Some(name.to_owned()),
            })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Err(missing(root, name)),
        Err(_) if path.is_dir() => Err(format!("expected a file, found a folder at {}", path.display())),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

fn not_utf8(name: &str, bytes: &[u8], valid: usize) -> String {
    let before = String::from_utf8_lossy(&bytes[..valid]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!(
        "{name}:{line}:{column}: expected text in UTF-8, found a byte that is none\n  help: save the file as UTF-8"
    )
}

fn missing(root: &Path, name: &str) -> String {
    let looked = root.join(name);
    let folder = looked.parent().unwrap_or(root);
    let near = near(folder, &looked);
    let help = match near {
        Some(near) => {
            let written = Path::new(name).with_file_name(near);
            format!("did you mean `#[registry(path = \"{}\")]`", written.display())
        }
        None => format!(
            "write it, with a table for each connection:\n{SAMPLE}\n  or say where it is: `#[registry(path = \"config/{DEFAULT}\")]`, \
             relative to the folder of Cargo.toml"
        ),
    };
    format!("{name}: no such file in {}\n  help: {help}", folder.display())
}

/// A file with nearly this name.
fn near(folder: &Path, looked: &Path) -> Option<String> {
    let wanted = looked.file_name()?.to_str()?;
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    names.sort();
    registry_config::suggest(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_never_ends_is_not_read() {
        let told = read_file(Path::new("/"), Some("dev/zero")).err();
        assert_eq!(
            told.as_deref(),
            Some("expected a file, found something else at /dev/zero")
        );
    }

    #[test]
    fn a_huge_file_is_not_read() {
        let folder = std::env::temp_dir();
        let name = format!("dbreg-huge-{}.toml", std::process::id());
        let file = std::fs::File::create(folder.join(&name)).unwrap();
        file.set_len(MOST_BYTES + 1).unwrap();
        let told = read_file(&folder, Some(&name)).err();
        std::fs::remove_file(folder.join(&name)).unwrap();
        assert!(told.is_some_and(|told| told.contains("expected at most 16777216 bytes, found 16777217")));
    }

    #[test]
    fn bytes_that_are_no_text_have_a_place() {
        let told = not_utf8("a.toml", b"\xc3\xa4\n\xc3\xa4x\xff", 6);
        assert!(told.starts_with("a.toml:2:3: expected text in UTF-8"), "{told}");
    }
}
