//! `dbreg list`.

use crate::program::{dbreg, dbreg_with, printed};
use serde_json::Value;

#[test]
fn a_line_for_each_connection() {
    insta::assert_snapshot!(printed(&dbreg(&["list", "--file", "right.toml"])));
    let production = [
        "list",
        "mysql.main",
        "--file",
        "right.toml",
        "--profile",
        "production",
    ];
    insta::assert_snapshot!(printed(&dbreg(&production)));
}

#[test]
fn variables_win_and_are_named() {
    let variables = [
        ("DBREG_MYSQL__REPORTS__URL", "mysql://me:canary@db7:3307/reports"),
        ("DBREG_MEMCACHED__CACHE__CONNECTIONS", "c1,c2:11212"),
        ("DBREG_STRAY", "1"),
    ];
    insta::assert_snapshot!(printed(&dbreg_with(
        &["list", "--file", "right.toml"],
        &variables
    )));
}

#[test]
fn the_second_file_is_laid_over_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let second = folder.path().join("live.toml");
    std::fs::write(&second, "[mysql.main]\nhost = \"db2\"\n").unwrap();
    let second = second.to_str().unwrap();
    let arguments = ["list", "mysql.main", "--file", "right.toml"];
    let by_option = dbreg(&[&arguments[..], &["--config-file", second]].concat());
    let by_variable = dbreg_with(&arguments, &[("DBREG_CONFIG", second)]);
    let expected = format!("mysql.main\tdb2:3306\tshop\trequired\tall\t{second}:2\nstatus 0");
    assert_eq!(printed(&by_option), expected);
    assert_eq!(printed(&by_variable), expected);
}

#[test]
fn it_is_json_for_programs() {
    let output = dbreg(&["list", "--json", "--file", "right.toml"]);
    let array: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(array.as_array().unwrap().len(), 7);
    insta::assert_snapshot!(format!("{:#}", array[0]));
}

#[test]
fn a_wrong_name_is_answered_with_the_nearest_right_one() {
    let wrong =
        |arguments: &[&str]| printed(&dbreg(&[&["list", "--file", "right.toml"], arguments].concat()));
    let name = wrong(&["mysql.mian"]);
    assert!(
        name.contains("did you mean `mysql.main`") && name.ends_with("status 2"),
        "{name}"
    );
    let profile = wrong(&["--profile", "prodcution"]);
    assert!(
        profile.contains("did you mean `production`") && profile.ends_with("status 78"),
        "{profile}"
    );
}

#[test]
fn a_value_that_cannot_be_is_an_error_of_its_connection_alone() {
    let variables = [("DBREG_MYSQL__MAIN__POOL__MIN", "30")];
    let output = dbreg_with(&["list", "mysql", "--file", "right.toml"], &variables);
    insta::assert_snapshot!(printed(&output));
    let output = dbreg_with(&["list", "mysql", "--json", "--file", "right.toml"], &variables);
    let array: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        array[0]["error"].as_str().unwrap().contains("pool.min"),
        "{array:#}"
    );
    assert!(array[1].get("error").is_none(), "{array:#}");
}

#[test]
fn a_wrong_file_is_told_as_check_does() {
    let text = printed(&dbreg(&["list", "--file", "wrong.toml"]));
    assert!(
        text.ends_with("status 78") && text.contains("wrong.toml:"),
        "{text}"
    );
    assert!(printed(&dbreg(&["list", "--file", "nowhere.toml"])).ends_with("status 2"));
}
