//! The folder of migrations: `migrations/<backend>.<connection>/<version>_<name>[.up|.down].<extension>`.

use crate::error::Error;
use crate::file;
use crate::kind::ErrorKind;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The most that a migration may hold.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// What migrations of any backend are written in, and what one would write those of MongoDB in. In the folder of a backend
/// that has others, such a file is a slip of the pen: nobody would ever apply it.
const EXTENSIONS: [&str; 4] = ["sql", "json", "toml", "js"];

/// The migrations of one connection, by ascending version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Migrations {
    /// The folder, as messages name it.
    pub(crate) folder: PathBuf,
    /// Each version once.
    pub(crate) list: Vec<Migration>,
}

/// One migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Migration {
    /// 1 at least.
    pub(crate) version: i64,
    /// The name as in the file's, with blanks in place of `_`, as sqlx has it.
    pub(crate) name: String,
    /// What applies it.
    pub(crate) up: Script,
    /// What takes it back. Without it, it cannot be reverted.
    pub(crate) down: Option<Script>,
}

/// One file of a migration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    /// The file, as messages name it.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// `1_a.sql`
    Only,
    /// `1_a.up.sql`
    Up,
    /// `1_a.down.sql`
    Down,
}

/// The files of one version.
#[derive(Default)]
struct Draft {
    name: String,
    only: Option<Script>,
    up: Option<Script>,
    down: Option<Script>,
}

/// Reads the folder of a connection. A folder that does not exist has no migrations. Files whose name begins with a dot,
/// and those that cannot be meant as migrations, are not looked at.
///
/// # Errors
/// Every mistake, a text each, with the path of its file.
pub(crate) fn read_folder(folder: &Path, formats: &[&str]) -> Result<Migrations, Vec<String>> {
    let mut drafts: BTreeMap<i64, Draft> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for path in files(folder).map_err(|mistake| vec![mistake])? {
        if let Err(mistake) = read_file(&path, formats, &mut drafts) {
            mistakes.push(mistake);
        }
    }
    let mut list = Vec::new();
    for (version, draft) in drafts {
        match draft.complete(version) {
            Ok(migration) => list.push(migration),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() {
        let folder = folder.to_owned();
        return Ok(Migrations { folder, list });
    }
    Err(mistakes)
}

/// The files of a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |cause: std::io::Error| {
        let words = crate::error::plain(&cause);
        format!("cannot read the folder `{}`: {words}", folder.display())
    };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(failed(cause)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path, formats: &[&str], drafts: &mut BTreeMap<i64, Draft>) -> Result<(), String> {
    let shown = path.display();
    let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else {
        return Err(format!("{shown}: the file's name is not valid UTF-8"));
    };
    let extension = path.extension().and_then(|extension| extension.to_str());
    let extension = extension.unwrap_or_default().to_ascii_lowercase();
    if file_name.starts_with('.') {
        return Ok(());
    }
    if !formats.contains(&extension.as_str()) {
        let has_version = |name: &str| {
            let digits = name.split_once('_').map_or("", |(digits, _)| digits);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        let is_meant = EXTENSIONS.contains(&extension.as_str()) && has_version(file_name);
        // Where there is nothing to migrate, that is what is told.
        return if is_meant && !formats.is_empty() {
            Err(misplaced(path, &extension, formats))
        } else {
            Ok(())
        };
    }
    let stem = &file_name[..file_name.len() - extension.len() - 1];
    let (stem, part) = match (stem.strip_suffix(".up"), stem.strip_suffix(".down")) {
        (Some(stem), _) => (stem, Part::Up),
        (_, Some(stem)) => (stem, Part::Down),
        _ => (stem, Part::Only),
    };
    let wrong = || {
        format!(
            "{shown}: expected the name `<version>_<name>.{extension}`, with `.up` or `.down` before the extension; \
             write `0001_{stem}.{extension}` instead"
        )
    };
    let (digits, name) = stem.split_once('_').ok_or_else(wrong)?;
    let version: i64 = match digits.parse() {
        Ok(version) if version > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => version,
        _ => return Err(wrong()),
    };
    if name.is_empty() {
        return Err(wrong());
    }
    let text = file::read(path, FILE_LIMIT)?;
    let script = Script {
        path: path.to_owned(),
        text,
    };
    let draft = drafts.entry(version).or_default();
    let slot = match part {
        Part::Only => &mut draft.only,
        Part::Up => &mut draft.up,
        Part::Down => &mut draft.down,
    };
    if let Some(other) = slot {
        let other = other.path.display();
        return Err(format!("{shown}: the version {version} stands in `{other}` too"));
    }
    *slot = Some(script);
    if part != Part::Down || draft.name.is_empty() {
        draft.name = name.replace('_', " ");
    }
    Ok(())
}

/// What is wrong with a migration that is written as those of another backend are.
fn misplaced(path: &Path, extension: &str, formats: &[&str]) -> String {
    let shown = path.display();
    let formats: Vec<String> = formats.iter().map(|format| format!("`.{format}`")).collect();
    format!(
        "{shown}: expected a migration in {}, found `.{extension}`, which nobody would apply here",
        formats.join(" or ")
    )
}

impl Draft {
    fn complete(self, version: i64) -> Result<Migration, String> {
        let Self { name, only, up, down } = self;
        let up = match (only, up, &down) {
            (Some(one), Some(other), _) => {
                let (one, other) = (one.path.display(), other.path.display());
                return Err(format!("{one}: the version {version} stands in `{other}` too"));
            }
            (Some(one), None, Some(down)) => {
                let (one, down) = (one.path.display(), down.path.display());
                return Err(format!(
                    "{one}: expected `.up` before its extension, because there is `{down}`"
                ));
            }
            (Some(up), None, None) | (None, Some(up), _) => up,
            (None, None, Some(down)) => {
                let down = down.path.display();
                return Err(format!(
                    "{down}: there is nothing that it takes back; expected a `.up` file of the same version"
                ));
            }
            (None, None, None) => unreachable!("a draft is made with its first file"),
        };
        Ok(Migration {
            version,
            name,
            up,
            down,
        })
    }
}

impl Migrations {
    /// The migration of this version.
    pub(crate) fn get(&self, version: i64) -> Option<&Migration> {
        let at = self
            .list
            .binary_search_by_key(&version, |migration| migration.version);
        at.ok().map(|at| &self.list[at])
    }

    /// The version of the last one, 0 where there is none.
    pub(crate) fn last_version(&self) -> i64 {
        self.list.last().map_or(0, |migration| migration.version)
    }

    /// That no migration has this version.
    pub(crate) fn no_such_version(&self, version: i64) -> Error {
        let folder = self.folder.display();
        let message = format!("no migration of `{folder}` has the version {version}");
        Error::new(ErrorKind::Config, message).help(format!("the last one is {}", self.last_version()))
    }

    /// That what is applied is above the version to go to.
    pub(crate) fn is_above(last: i64, version: i64) -> Error {
        let message = format!("the database is at version {last}, which is above {version}");
        Error::new(ErrorKind::Config, message).help(format!("write `--revert --to {version}`"))
    }
}

impl Migration {
    /// `3 orders`, as progress and reports name it.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.version, self.name)
    }

    /// That it has nothing that takes it back.
    pub(crate) fn cannot_be_reverted(&self) -> Error {
        let message = format!(
            "the migration {} cannot be reverted: it has no `.down` file",
            self.label()
        );
        let up = self.up.path.display();
        let extension = self.up.path.extension().unwrap_or_default().display();
        Error::new(ErrorKind::Config, message).help(format!(
            "write one beside `{up}`, and give that the ending `.up.{extension}`"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(folder.path().join(file), format!("-- {file}")).unwrap();
        }
        folder
    }

    fn read(files: &[&str]) -> Result<Migrations, Vec<String>> {
        let folder = folder(files);
        let shown = format!("{}/", folder.path().display());
        read_folder(folder.path(), &["sql"])
            .map_err(|mistakes| mistakes.iter().map(|text| text.replace(&shown, "")).collect())
    }

    #[test]
    fn reads_what_is_there_by_version_and_not_by_name() {
        let found = read(&[
            "10_later_one.sql",
            "9_first.up.sql",
            "9_first.down.sql",
            "README.md",
            ".12_hidden.sql",
            "11_old.sql~",
            "11_old.sql.bak",
            "schema.json",
        ])
        .unwrap();
        let list: Vec<_> = found
            .list
            .iter()
            .map(|m| (m.label(), m.up.text.as_str(), m.down.is_some()))
            .collect();
        assert_eq!(
            list,
            [
                ("9 first".to_owned(), "-- 9_first.up.sql", true),
                ("10 later one".to_owned(), "-- 10_later_one.sql", false)
            ]
        );
        assert_eq!(found.get(10).unwrap().name, "later one");
        assert!(found.get(11).is_none());
        assert_eq!(found.last_version(), 10);
    }

    #[test]
    fn one_that_is_written_as_for_another_backend_is_not_passed_over() {
        let folder = folder(&["1_a.sql"]);
        let path = folder.path().join("1_a.sql");
        let expected =
            "expected a migration in `.json` or `.toml`, found `.sql`, which nobody would apply here";
        let mistakes = read_folder(folder.path(), &["json", "toml"]).unwrap_err();
        assert_eq!(mistakes, [format!("{}: {expected}", path.display())]);
        assert_eq!(read(&["2_b.js"]).unwrap_err().len(), 1);
        assert!(read_folder(folder.path(), &[]).unwrap().list.is_empty());
    }

    #[test]
    fn a_folder_that_is_missing_has_none() {
        let found = read_folder(Path::new("/no/such/folder"), &["sql"]).unwrap();
        assert!(found.list.is_empty());
    }

    #[test]
    fn tells_every_mistake_at_once() {
        let mistakes = read(&[
            "users.sql",
            "0_zero.sql",
            "-1_minus.sql",
            "1_.sql",
            "2_a.sql",
            "02_b.sql",
            "3_alone.down.sql",
            "4_both.sql",
            "4_both.down.sql",
            "5_twice.sql",
            "5_twice.up.sql",
            "99999999999999999999_large.sql",
        ])
        .unwrap_err();
        assert_eq!(mistakes.len(), 9, "{mistakes:#?}");
        let has = |words: &str| {
            assert!(
                mistakes.iter().any(|text| text == words),
                "{words}: {mistakes:#?}"
            )
        };
        has(
            "users.sql: expected the name `<version>_<name>.sql`, with `.up` or `.down` before the extension; write \
             `0001_users.sql` instead",
        );
        has("2_a.sql: the version 2 stands in `02_b.sql` too");
        has(
            "3_alone.down.sql: there is nothing that it takes back; expected a `.up` file of the same version",
        );
        has("4_both.sql: expected `.up` before its extension, because there is `4_both.down.sql`");
        has("5_twice.sql: the version 5 stands in `5_twice.up.sql` too");
    }
}
