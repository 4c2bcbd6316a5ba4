//! Lists of fixtures in columns that are arrays.

use super::place::Place;
use crate::tasks::Verb;

#[tokio::test]
async fn every_element_of_a_list_arrives() {
    let place = Place::new().await;
    place.file(
        "migrations/postgres.main/2_lists.sql",
        "create table lists (id int primary key, floats float8[], texts text[], deep text[][], raw bytea[], at timestamp[], \
         more jsonb[], numbers int[], none int[])",
    );
    place.file(
        "fixtures/postgres.main/20-lists.toml",
        r#"
[[lists]]
id      = 1
floats  = [1.5, nan, -inf]
texts   = ["a,\"b\" {c}\\", "", "NULL"]
deep    = [["a", "b"], ["c", "d"]]
raw     = [{ bytes = "hex:00ff" }, { bytes = "hex:" }]
at      = [2024-01-01T10:00:00+02:00]
more    = ["1", 2, { a = ["x"] }, [3]]
numbers = [1, -2]
none    = []
"#,
    );
    place.file(
        "fixtures/postgres.main/30-lists.json",
        r#"{ "lists": [{ "id": 2, "numbers": [7, null] }] }"#,
    );
    place.file(
        "fixtures/postgres.main/40-lists.csv",
        "id,texts\n3,\"[\"\"x\"\",\"\"y\"\"]\"\n4,\"{x,y}\"\n",
    );
    place.succeeds(Verb::Build).await;
    for (asked, expected) in [
        ("floats", "{1.5,NaN,-Infinity}"),
        ("texts", "{\"a,\\\"b\\\" {c}\\\\\",\"\",\"NULL\"}"),
        ("deep", "{{a,b},{c,d}}"),
        ("raw", "{\"\\\\x00ff\",\"\\\\x\"}"),
        ("at", "{\"2024-01-01 08:00:00\"}"),
        ("more", "{\"\\\"1\\\"\",2,\"{\\\"a\\\": [\\\"x\\\"]}\",[3]}"),
        ("numbers", "{1,-2}"),
        ("none", "{}"),
    ] {
        let found = place
            .sql(&format!("select {asked} from lists where id = 1"))
            .await;
        assert_eq!(found.trim_end(), expected, "{asked}");
    }
    let rest = place.sql(
        "select coalesce(cast(numbers as text), cast(texts as text)) from lists where id > 1 order by id",
    );
    assert_eq!(rest.await, "{7,NULL}\n{x,y}\n{x,y}\n");
}
