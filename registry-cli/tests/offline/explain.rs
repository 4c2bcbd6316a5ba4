//! `dbreg explain`.

use crate::program::{dbreg, dbreg_with, printed};
use serde_json::{Value, json};

const VARIABLES: [(&str, &str); 2] = [
    ("SHOP_DB_PASSWORD", "canary and more"),
    ("DBREG_MYSQL__MAIN__POOL__MAX", "20"),
];

fn explain(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    printed(&dbreg_with(
        &[&["explain", "--file", "right.toml"], arguments].concat(),
        variables,
    ))
}

#[test]
fn each_value_has_its_layer_and_no_secret_is_shown() {
    insta::assert_snapshot!(explain(&["mysql.main", "--profile", "production"], &VARIABLES));
}

#[test]
fn what_a_reference_lacks_is_said() {
    let text = explain(&["mysql.main"], &[]);
    let expected = "<variable SHOP_DB_PASSWORD: the environment variable `SHOP_DB_PASSWORD` is not set>";
    assert!(text.contains(expected) && text.ends_with("status 0"), "{text}");
}

#[test]
fn a_secret_in_a_variable_is_a_length() {
    let variables = [("DBREG_MYSQL__REPORTS__URL", "mysql://me:canary@db7/reports")];
    let text = explain(&["mysql.reports"], &variables);
    assert!(
        text.contains("url\t<29 characters>\tDBREG_MYSQL__REPORTS__URL\n"),
        "{text}"
    );
}

#[test]
fn it_is_json_for_programs() {
    let arguments = [
        "explain",
        "mysql.main",
        "memcached.cache",
        "--json",
        "--file",
        "right.toml",
    ];
    let output = dbreg_with(&arguments, &VARIABLES);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("canary"));
    let array: Value = serde_json::from_slice(&output.stdout).unwrap();
    let values = &array[0]["values"];
    insta::assert_snapshot!(format!("{:#}\n{:#}", values["password"], values["connections"]));
    assert_eq!(
        values["pool.max"]["from"]["variable"],
        "DBREG_MYSQL__MAIN__POOL__MAX"
    );
    assert_eq!(array[1]["values"]["timeout"]["from"]["default"], true);
    assert_eq!(array[1]["connection"], "memcached.cache");
}

#[test]
fn what_a_profile_protects_by_its_name_is_told_to_programs_too() {
    for (profile, protected, from) in [
        (Some("production"), true, json!({ "profile": "production" })),
        (None, false, json!({ "default": true })),
    ] {
        let mut arguments = vec!["explain", "mysql.main", "--json", "--file", "right.toml"];
        arguments.extend(profile.iter().flat_map(|profile| ["--profile", profile]));
        let output = dbreg_with(&arguments, &VARIABLES);
        let array: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = &array[0]["values"]["protected"];
        assert_eq!((&found["value"], &found["from"]), (&json!(protected), &from));
    }
}

#[test]
fn a_wrong_name_is_answered_with_the_nearest_right_one() {
    let text = printed(&dbreg(&["explain", "reports", "--file", "right.toml"]));
    assert!(
        text.contains("did you mean `mysql.reports`") && text.ends_with("status 2"),
        "{text}"
    );
}
