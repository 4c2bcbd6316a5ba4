//! Keys that the server makes.

use crate::adapters::sql::tasks::Session;
use crate::error::Error;
use crate::tasks::Value;

/// How whole numbers are written, by the function of their type that does it: a domain has that of its type.
const NUMBERS: &str = "cast('pg_catalog.int2out' as regproc), cast('pg_catalog.int4out' as regproc), \
    cast('pg_catalog.int8out' as regproc), cast('pg_catalog.numeric_out' as regproc)";

/// Inserts a row, and gives what became of a column. `sql` is all but `returning`.
pub(super) async fn insert(
    session: &mut dyn Session,
    sql: &str,
    values: Vec<Value>,
    column: &str,
) -> Result<Option<Value>, Error> {
    let sql = format!(
        "{sql} returning cast({column} as text), (select case when typoutput in ({NUMBERS}) then '1' end from pg_type \
         where oid = pg_typeof({column}))"
    );
    let rows = session.rows(sql, values).await?;
    let row = rows.into_iter().next().unwrap_or_default();
    let [Some(text), is_number] = <[Option<String>; 2]>::try_from(row).unwrap_or_default() else {
        return Ok(None);
    };
    // `0001` is a text, and another one than `1`.
    let number = is_number.and_then(|_| text.parse().ok());
    Ok(Some(number.map_or(Value::Text(text), Value::Integer)))
}
