//! What a database holds, for `clear` and `purge`. Each query gives kind, name, and the name with its schema as SQL. What belongs
//! to an extension is the extension's.

use crate::error::Error;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

/// Something that the database holds.
pub(super) struct Thing {
    /// As `drop` wants it: `table`, `view`.
    pub(super) kind: String,
    pub(super) name: String,
    /// With its schema, as SQL.
    pub(super) quoted: String,
}

pub(super) async fn things(session: &mut PgConnection, sql: &'static str) -> Result<Vec<Thing>, Error> {
    let thing = |[kind, name, quoted]: [String; 3]| Thing { kind, name, quoted };
    Ok(listed(session, sql).await?.into_iter().map(thing).collect())
}

/// The rows of a query for three texts.
pub(super) async fn listed(session: &mut PgConnection, sql: &'static str) -> Result<Vec<[String; 3]>, Error> {
    let rows = sqlx::query(sql).fetch_all(session).await?;
    let texts = |row: &sqlx::postgres::PgRow| Ok([row.try_get(0)?, row.try_get(1)?, row.try_get(2)?]);
    let listed: Result<Vec<_>, sqlx::Error> = rows.iter().map(texts).collect();
    Ok(listed?)
}

/// Tables, views and sequences; those sequences that belong to a column go with it. Views first: they are made of the others.
pub(super) const RELATIONS: &str = "\
    select case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' \
        when 'f' then 'foreign table' else 'table' end, \
        cast(c.relname as text), format('%I.%I', n.nspname, c.relname) \
    from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' \
        and not exists (select from pg_depend d where d.objid = c.oid and d.classid = cast('pg_class' as regclass) \
            and (d.deptype = 'e' or c.relkind = 'S' and d.deptype in ('a', 'i'))) \
    order by c.relkind <> 'v', c.relkind <> 'm', 3";

/// The triggers that `truncate` would run on tables that this role may change: what makes one again what it is, its name, and its table.
pub(super) const TRUNCATE_TRIGGERS: &str = "\
    select case t.tgenabled when 'A' then 'enable always' when 'R' then 'enable replica' else 'enable' end, \
        quote_ident(t.tgname), format('%I.%I', n.nspname, c.relname) \
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace \
    where t.tgtype & 32 <> 0 and t.tgenabled <> 'D' and not t.tgisinternal and pg_has_role(c.relowner, 'USAGE') \
    order by 3, 2";

/// The materialized views that are populated, each after those that it is made of, also by way of views and functions. In
/// the place of the kind is what becomes of one: none can be made of a view that is not populated.
pub(super) const MATERIALIZED_VIEWS: &str = "\
    with recursive parts as ( \
        select cast(cast('pg_class' as regclass) as oid) as class, r.ev_class as object, \
            d.refclassid as of_class, d.refobjid as part \
        from pg_depend d join pg_rewrite r on r.oid = d.objid \
        where d.classid = cast('pg_rewrite' as regclass) and d.refobjid <> r.ev_class \
        union select d.classid, d.objid, d.refclassid, d.refobjid from pg_depend d \
        where d.classid = cast('pg_proc' as regclass) and d.deptype = 'n' \
    ), needs as ( \
        select c.oid as view, p.of_class, p.part from pg_class c join parts p \
            on p.class = cast('pg_class' as regclass) and p.object = c.oid where c.relkind = 'm' \
        union select needs.view, p.of_class, p.part from needs join parts p \
            on p.class = needs.of_class and p.object = needs.part \
    ) \
    select case when exists (select from needs join pg_class m on m.oid = needs.part \
            where needs.view = c.oid and needs.of_class = cast('pg_class' as regclass) \
                and m.relkind = 'm' and not m.relispopulated) then 'with no data' else 'with data' end, \
        cast(c.relname as text), format('%I.%I', n.nspname, c.relname) \
    from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where c.relkind = 'm' and c.relispopulated and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' \
        and not exists (select from pg_depend d where d.objid = c.oid and d.classid = cast('pg_class' as regclass) \
            and d.deptype = 'e') \
    order by (select count(*) from needs where needs.view = c.oid), 3";

/// The schemas beside the one in which new things are made, beside `public`, which is every database's, and beside those
/// that hold a mark, or an extension of another role.
pub(super) const OTHER_SCHEMAS: &str = "\
    with foreigners as (select oid, extnamespace from pg_extension where pg_get_userbyid(extowner) <> current_user) \
    select 'schema', cast(n.nspname as text), format('%I', n.nspname) from pg_namespace n \
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' \
        and n.nspname <> 'public' and n.nspname is distinct from current_schema() \
        and not exists (select from pg_class m where m.relnamespace = n.oid and m.relname = '_dbreg_metadata') \
        and not exists (select from pg_depend d where d.objid = n.oid \
            and d.classid = cast('pg_namespace' as regclass) and d.deptype = 'e') \
        and n.oid not in (select extnamespace from foreigners) \
        and not exists (select from foreigners e join pg_depend d on d.refobjid = e.oid \
            where d.refclassid = cast('pg_extension' as regclass) and d.deptype = 'e' \
                and (pg_identify_object(d.classid, d.objid, 0)).schema = quote_ident(n.nspname)) \
    order by 3";

/// What is neither a relation nor goes with one: functions and their kin, types that were made by themselves, operators,
/// collations, what searches texts. A routine is told by what goes into it, which every kind of them has; `in` says that
/// this is all of it.
pub(super) const OTHERS: &str = "\
    with things as ( \
        select 'routine' as kind, p.tableoid as class, p.oid, p.pronamespace as namespace, p.proname as name, \
            quote_ident(p.proname) as quoted, \
            format('(%s)', (select string_agg('in ' || format_type(a.type, null), ', ' order by a.nth) \
                from unnest(p.proargtypes) with ordinality a (type, nth))) as rest from pg_proc p \
        union all select 'type', t.tableoid, t.oid, t.typnamespace, t.typname, quote_ident(t.typname), '' \
            from pg_type t left join pg_class c on c.oid = t.typrelid \
            where t.typtype in ('e', 'd', 'r') or c.relkind = 'c' \
        union all select 'operator', tableoid, oid, oprnamespace, oprname, cast(oprname as text), \
            format(' (%s, %s)', case when oprleft = 0 then 'none' else format_type(oprleft, null) end, \
                case when oprright = 0 then 'none' else format_type(oprright, null) end) from pg_operator \
        union all select 'operator class', o.tableoid, o.oid, o.opcnamespace, o.opcname, quote_ident(o.opcname), \
            format(' using %I', a.amname) from pg_opclass o join pg_am a on a.oid = o.opcmethod \
        union all select 'operator family', o.tableoid, o.oid, o.opfnamespace, o.opfname, quote_ident(o.opfname), \
            format(' using %I', a.amname) from pg_opfamily o join pg_am a on a.oid = o.opfmethod \
        union all select 'collation', tableoid, oid, collnamespace, collname, quote_ident(collname), '' \
            from pg_collation where collencoding in (-1, pg_char_to_encoding(getdatabaseencoding())) \
        union all select 'conversion', tableoid, oid, connamespace, conname, quote_ident(conname), '' from pg_conversion \
        union all select 'text search configuration', tableoid, oid, cfgnamespace, cfgname, quote_ident(cfgname), '' \
            from pg_ts_config \
        union all select 'text search dictionary', tableoid, oid, dictnamespace, dictname, quote_ident(dictname), '' \
            from pg_ts_dict \
        union all select 'text search parser', tableoid, oid, prsnamespace, prsname, quote_ident(prsname), '' \
            from pg_ts_parser \
        union all select 'text search template', tableoid, oid, tmplnamespace, tmplname, quote_ident(tmplname), '' \
            from pg_ts_template \
    ) \
    select t.kind, cast(t.name as text), format('%I.%s%s', n.nspname, t.quoted, t.rest) \
    from things t join pg_namespace n on n.oid = t.namespace \
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' \
        and not exists (select from pg_depend d where d.objid = t.oid and d.classid = t.class and d.deptype in ('e', 'i')) \
    order by 1, 3";
