//! What cargo says to a program that it runs.

use std::ffi::OsString;

/// The variables in which cargo described `package` to this process; none when it is not that package's program, run by
/// cargo.
///
/// A program that runs cargo in turn takes them out of that one's environment. Build scripts look at them, among them
/// that of `ring`, and cargo compiles all that depends on it again whenever they differ from those of the last time.
#[must_use]
pub fn cargo_variables(package: &str) -> Vec<OsString> {
    if std::env::var_os("CARGO_PKG_NAME").is_none_or(|name| name != package) {
        return Vec::new();
    }
    let names = std::env::vars_os().map(|(name, _)| name);
    let described = |name: &OsString| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    };
    names.filter(described).collect()
}
