//! Keys that the server makes: what it gave a row, and sequences that have not seen what was written with a number.

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

/// The sequences of a column of numbers: that of an identity, those that its default names and this role may set, and those
/// that it owns. With increment, and with minimum and maximum, of its own or of the column's type.
fn sequences() -> String {
    format!(
        "select format('%I.%I', n.nspname, s.relname), cast(q.seqincrement as text), \
            cast(greatest(q.seqmin, -1 - last) as text), cast(least(q.seqmax, last) as text) \
        from pg_attribute a join pg_type t on t.oid = a.atttypid, \
            lateral (select case t.typoutput when cast('pg_catalog.int2out' as regproc) then 32767 \
                when cast('pg_catalog.int4out' as regproc) then 2147483647 \
                else 9223372036854775807 end as last) l, \
            lateral (select sequence, bool_or(owned) as owned from ( \
                select d.objid as sequence, true as owned from pg_depend d \
                where d.classid = cast('pg_class' as regclass) and d.refclassid = cast('pg_class' as regclass) \
                    and d.refobjid = a.attrelid and d.refobjsubid = a.attnum and d.deptype in ('a', 'i') \
                union all select d.refobjid, false from pg_attrdef f join pg_depend d on d.objid = f.oid \
                where f.adrelid = a.attrelid and f.adnum = a.attnum and d.classid = cast('pg_attrdef' as regclass) \
                    and d.refclassid = cast('pg_class' as regclass)) u group by sequence) u \
            join pg_sequence q on q.seqrelid = u.sequence \
            join pg_class s on s.oid = q.seqrelid join pg_namespace n on n.oid = s.relnamespace \
        where a.attrelid = to_regclass(quote_ident($1)) and a.attname = $2 and t.typoutput in ({NUMBERS}) \
            and (u.owned or has_sequence_privilege(q.seqrelid, 'UPDATE') and has_sequence_privilege(q.seqrelid, 'SELECT')) \
        order by 1"
    )
}

/// A sequence, with what `create sequence` said of it.
struct Sequence {
    /// As SQL.
    name: String,
    increment: i64,
    minimum: i64,
    maximum: i64,
}

/// Leads the sequences of a column beyond its numbers: the next row of the application would get one that is taken.
pub(super) async fn advance(
    session: &mut dyn Session,
    [table, column]: [&str; 2],
    [table_sql, column_sql]: [&str; 2],
) -> Result<(), Error> {
    let names = [table, column].map(|name| Value::Text(name.to_owned()));
    for row in session.rows(sequences(), names.into()).await? {
        let Some(sequence) = read(row) else { continue };
        let name = Value::Text(sequence.name.clone());
        let sql = sequence.advanced(table_sql, column_sql);
        session.rows(sql, vec![name]).await?;
    }
    Ok(())
}

fn read(row: Vec<Option<String>>) -> Option<Sequence> {
    let [name, increment, minimum, maximum] = <[Option<String>; 4]>::try_from(row).ok()?;
    Some(Sequence {
        name: name?,
        increment: increment?.parse().ok()?,
        minimum: minimum?.parse().ok()?,
        maximum: maximum?.parse().ok()?,
    })
}

impl Sequence {
    /// The statement that leads it beyond the numbers of the column, whose one value is its name. It goes on in steps of its
    /// own, not back from where it is, and gives no number away. Numbers behind which it has none left are not heeded: at its end it would
    /// refuse every row.
    fn advanced(&self, table: &str, column: &str) -> String {
        let (farthest, until, end) = match self.increment > 0 {
            true => ("max", "<=", self.maximum),
            false => ("min", ">=", self.minimum),
        };
        let (name, increment) = (&self.name, self.increment);
        let last = end.saturating_sub(increment);
        format!(
            "select cast(setval(cast($1 as regclass), cast(next + div(top - next, step) * step as bigint), true) as text) \
            from (select step, last_value + case when is_called then step else 0 end as next \
                from {name}, (select cast('{increment}' as numeric) as step) i) s, \
            (select cast({farthest}({column}) as numeric) as top from {table} \
                where {column} {until} cast('{last}' as bigint)) t \
            where next {until} top"
        )
    }
}
