//! What the compiler says about mistakes, each case named after the mistake.

#[test]
fn mistakes() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

/// rustc prints the lines at a message's place: those of an inline text may hold a password.
#[test]
fn no_message_shows_the_inline_text() {
    for entry in std::fs::read_dir("tests/ui").expect("the cases are there") {
        let path = entry.expect("a case can be read").path();
        if path.extension().is_some_and(|extension| extension == "stderr") {
            let text = std::fs::read_to_string(&path).expect("what rustc says is UTF-8");
            assert!(!text.contains("hunter"), "{}: {text}", path.display());
        }
    }
}
