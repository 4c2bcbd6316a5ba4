//! What stands in docs/scaling.md.

use std::path::Path;

/// The fenced block of this language that has these words in it. There is one.
pub(crate) fn block(language: &str, words: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scaling.md");
    let text = std::fs::read_to_string(path).unwrap();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap_or_default());
    let mut found = blocks.filter(|block| block.contains(words));
    let block = found
        .next()
        .unwrap_or_else(|| panic!("no block with {words}"))
        .to_owned();
    assert_eq!(found.next(), None, "two blocks with {words}");
    block
}

/// The text with each of these in the place of what stands there. All of them do stand there.
pub(crate) fn with<'a>(text: String, changes: impl IntoIterator<Item = (&'a str, String)>) -> String {
    changes.into_iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in:\n{text}");
        text.replace(from, &to)
    })
}
