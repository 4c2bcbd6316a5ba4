//! What the server is asked about tables: those of fixtures, and those of our own.

use crate::adapters::sql::tasks::{Own, Session};
use crate::error::Error;
use crate::kind::ErrorKind;
use crate::tasks::{METADATA, Value};
use futures_util::future::BoxFuture;

/// The names of the tables that are found without their schema.
pub(super) const TABLES: &str = "\
    select cast(c.relname as text) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('r', 'p', 'f') and n.nspname = any(current_schemas(false)) and pg_table_is_visible(c.oid) \
    order by 1";

/// A table of our own by its name: where it is found, where it would be made, and the other schemas in which this role has
/// one. A migration may make a schema of the role's name, or give the role another search path: what was recorded stays
/// where it is, and is not made anew. But a table beside the schema in which new things are made counts only when this very
/// role owns it: one that merely can be seen or written is another application's, and a superuser can write to all.
const OWN: &str = "\
    select (select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
            where c.relkind in ('r', 'p', 'v', 'f') and c.relname = $1 and n.nspname = any(current_schemas(false)) \
                and (n.nspname = current_schema() or pg_get_userbyid(c.relowner) = current_user) \
            order by array_position(current_schemas(false), n.nspname) limit 1), \
        case when current_schema() is not null then format('%I.%I', current_schema(), $1) end, \
        (select string_agg(quote_ident(n.nspname), ', ' order by n.nspname) \
            from pg_class c join pg_namespace n on n.oid = c.relnamespace \
            where c.relkind in ('r', 'p') and c.relname = $1 and n.nspname !~ '^pg_' \
                and pg_get_userbyid(c.relowner) = current_user), \
        current_setting('search_path')";

/// A table of our own, as SQL.
pub(super) fn own<'a>(
    session: &'a mut dyn Session,
    table: &'static str,
) -> BoxFuture<'a, Result<Own, Error>> {
    Box::pin(async move {
        let name = Value::Text(table.to_owned());
        let mut rows = session.rows(OWN.to_owned(), vec![name]).await?;
        let row = rows.pop().unwrap_or_default();
        let [found, place, elsewhere, path] = <[Option<String>; 4]>::try_from(row).unwrap_or_default();
        match (found, elsewhere) {
            (Some(sql), _) => Ok(Own {
                told: sql.clone(),
                sql,
                is_there: true,
            }),
            // Its mark is looked for everywhere, and a second one does not take anything from the first.
            (None, Some(schema)) if table != METADATA => {
                let path = path.unwrap_or_default();
                let message = format!(
                    "`{table}` is in the schema {schema}, and the search path of this role, `{path}`, does not lead there"
                );
                let help = format!(
                    "add that schema to the search path (`alter role … set search_path = …`), or write \
                     `alter table {schema}.{table} set schema …`; if it is another application's, give each a role of its own"
                );
                Err(Error::new(ErrorKind::Config, message).help(help))
            }
            // Without any schema, the server says so.
            (None, _) => {
                let sql = place.unwrap_or_else(|| table.to_owned());
                Ok(Own {
                    told: sql.clone(),
                    sql,
                    is_there: false,
                })
            }
        }
    })
}

/// The tables of the mark, in whatever schema. A migration that makes a schema of the role's name moves the schema in
/// which new things are made; the mark stays where it was written.
const MARKS: &str = "\
    select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relname = '_dbreg_metadata' order by 1";

/// The tables of the mark, as SQL.
pub(super) fn marks(session: &mut dyn Session) -> BoxFuture<'_, Result<Vec<String>, Error>> {
    Box::pin(async move {
        let rows = session.rows(MARKS.to_owned(), Vec::new()).await?;
        Ok(rows
            .into_iter()
            .filter_map(|mut row| row.swap_remove(0))
            .collect())
    })
}

/// The columns of a table, as `Dialect::columns` wants them.
pub(super) const COLUMNS: &str = "\
    select cast(a.attname as text), format_type(a.atttypid, a.atttypmod), \
        cast(array_position(cast(i.indkey as int2[]), a.attnum) + 1 as text), \
        case when a.attnotnull then '0' else '1' end, \
        case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end, \
        case when a.attidentity <> '' or pg_get_expr(d.adbin, d.adrelid) like 'nextval(%' then '1' else '0' end, \
        case when a.attgenerated <> '' or a.attidentity = 'a' then '1' else '0' end \
    from pg_class c join pg_attribute a on a.attrelid = c.oid \
        left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum \
        left join pg_index i on i.indrelid = a.attrelid and i.indisprimary \
    where c.oid = to_regclass(quote_ident($1)) and c.relkind in ('r', 'p', 'f', 'v') \
        and a.attnum > 0 and not a.attisdropped \
    order by a.attnum";

/// The tables that a name may mean which the search path does not lead to, or which stands with its schema: that of each,
/// its own, `1` when it is found by that, and the search path.
const ELSEWHERE: &str = "\
    select quote_ident(n.nspname), cast(c.relname as text), case when pg_table_is_visible(c.oid) then '1' else '0' end, \
        current_setting('search_path') \
    from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('r', 'p', 'f', 'v') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' \
        and $1 in (c.relname, n.nspname || '.' || c.relname) \
    order by c.relname = $1 desc, 1 limit 1";

/// Says where a table is that was not found by its name.
pub(super) fn elsewhere<'a>(
    session: &'a mut dyn Session,
    table: &'a str,
) -> BoxFuture<'a, Result<(), Error>> {
    Box::pin(async move {
        let name = Value::Text(table.to_owned());
        let mut rows = session.rows(ELSEWHERE.to_owned(), vec![name]).await?;
        let row = rows.pop().unwrap_or_default();
        let Ok([Some(schema), Some(name), Some(is_visible), path]) = <[Option<String>; 4]>::try_from(row)
        else {
            return Ok(());
        };
        if is_visible == "1" && name == table {
            // It has no column.
            return Ok(());
        }
        if is_visible == "1" {
            let message = format!("expected the name of a table alone, found `{table}`, with its schema");
            return Err(Error::new(ErrorKind::Config, message).help(format!("write `{name}`")));
        }
        let path = path.unwrap_or_default();
        let message = format!(
            "the table `{name}` is in the schema {schema}, and the search path of this role, `{path}`, does not lead there"
        );
        let help = format!(
            "add that schema to the search path (`alter role … set search_path = …`), and write `{name}`; or fill it by a \
             script in SQL"
        );
        Err(Error::new(ErrorKind::Config, message).help(help))
    })
}
