//! Files of references that change while the application runs: noticed by a look at them, not by reading them.

use registry_config::{HostName, Reference, Settings, Value};
use std::path::Path;
use std::time::SystemTime;

/// The state of the files behind the references of one connection. As long as it stays equal, nothing was rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<Option<FileState>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct FileState {
    modified: Option<SystemTime>,
    length: u64,
    /// Another file under the same name: what `mv` and the symbolic links of Kubernetes do.
    inode: u64,
}

/// The files that the references of these values name.
pub(crate) fn files(settings: &Settings) -> Vec<Box<str>> {
    let mut found: Vec<Box<str>> = Vec::new();
    let mut look = |reference: &Reference| {
        if let Reference::File(path) = reference {
            found.push(Box::from(path.as_ref()));
        }
    };
    for (_, setting) in settings.iter() {
        match &setting.value {
            Value::Reference(reference) => look(reference),
            Value::Hosts(hosts) => {
                for host in hosts.iter() {
                    if let HostName::Reference(reference) = &host.host {
                        look(reference);
                    }
                }
            }
            _ => {}
        }
    }
    found
}

/// Looks at the files.
pub(crate) fn stamp(files: &[Box<str>]) -> Stamp {
    let state = |path: &str| {
        let found = std::fs::metadata(Path::new(path)).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&found);
        #[cfg(not(unix))]
        let inode = 0;
        Some(FileState {
            modified: found.modified().ok(),
            length: found.len(),
            inode,
        })
    };
    Stamp(files.iter().map(|path| state(path)).collect())
}
