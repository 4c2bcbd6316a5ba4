//! What is said about a URL that the driver refuses.

use super::plan;
use crate::kind::ErrorKind;

#[test]
fn the_option_at_fault_is_named_and_never_quoted() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for (options, words, help) in [
        (
            "readPreferense=nearest",
            "option 1 behind the `?`",
            "did you mean `readPreference`",
        ),
        ("w=1&canary=canary", "option 2 behind the `?`", "remove it"),
        ("W=-1", "refuses `w`", "correct the value of `w`"),
        (
            "appName=x&connectTimeoutMS=canary&retryReads=true",
            "refuses `connectTimeoutMS`",
            "correct",
        ),
        ("compressors=zlib", "refuses `compressors`", "remove it"),
        ("w=-1&journal=canary", "refuses several options", "one by one"),
        ("replicaSet=a&replicaSet=b", "refuses `replicaSet`", "remove it"),
    ] {
        for scheme in ["mongodb", "mongodb+srv"] {
            let url = format!("{scheme}://u:canary@cluster.example.com/logs?{options}");
            std::fs::write(file.path(), url).unwrap();
            let keys = format!("url = {{ file = {:?} }}\n", file.path());
            let error = plan(&keys).err().expect(options);
            let said = format!("{error:?}");
            assert_eq!(error.kind(), ErrorKind::Config, "{said}");
            assert!(said.contains(words) && said.contains(help), "{options}: {said}");
            assert!(!said.contains("canary"), "{options}: {said}");
        }
    }
    std::fs::write(file.path(), "mongodb://u:canary@h/lo%24gs").unwrap();
    let error = plan(&format!("url = {{ file = {:?} }}\n", file.path()))
        .err()
        .expect("a `$`");
    assert!(error.message().contains("the database or the login"), "{error:?}");
}
