//! Programs on `PATH`.

use std::path::PathBuf;

/// Where servers live that are not on the `PATH` of a user.
const MORE: [&str; 3] = ["/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"];

fn folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).filter(|p| p.is_absolute()).collect();
    folders.extend(MORE.iter().map(PathBuf::from));
    folders
}

/// The first of these programs that is installed.
pub(crate) fn program(names: &[&str]) -> Option<PathBuf> {
    let folders = folders();
    names.iter().find_map(|name| {
        folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|file| is_program(file))
    })
}

/// The folder of the newest version that has all of these programs: `/usr/lib/postgresql/*/bin`, or the folders of
/// `PATH`.
pub(crate) fn versioned(parents: &[&str], names: &[&str]) -> Option<PathBuf> {
    let has_all = |folder: &PathBuf| names.iter().all(|name| is_program(&folder.join(name)));
    let mut found: Vec<(u32, PathBuf)> = parents
        .iter()
        .flat_map(|parent| std::fs::read_dir(parent).into_iter().flatten().flatten())
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            // `15`, `postgresql@17`.
            let version = name.rsplit('@').next()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| has_all(folder))
        .collect();
    found.sort();
    let newest = found.pop().map(|(_, folder)| folder);
    newest.or_else(|| folders().into_iter().find(has_all))
}

fn is_program(file: &std::path::Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(file).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
