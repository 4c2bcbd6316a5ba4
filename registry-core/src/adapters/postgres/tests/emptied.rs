//! What `clear` and `purge` leave.

use super::place::Place;
use crate::tasks::Verb;

#[tokio::test]
async fn materialized_views_are_cleared_in_the_order_in_which_they_are_made() {
    let place = Place::new().await;
    place.succeeds(Verb::Build).await;
    // The names stand in the other order.
    place
        .sql("set role shop; create materialized view z as select id from users; \
            create view y as select id from z; create materialized view x as select id from y; \
            create function w() returns bigint language sql begin atomic select count(*) from x; end; \
            create materialized view v as select w() as count; \
            create materialized view hollow as select id from users; \
            create materialized view above as select id from hollow; \
            refresh materialized view hollow with no data; create materialized view apart as select 1 with no data")
        .await;
    place.succeeds(Verb::Clear).await;
    let counts = "select (select count(*) from z), (select count(*) from x), (select count from v)";
    assert_eq!(place.sql(counts).await, "0\t0\t0\n");
    let empty = "select relname from pg_class where relkind = 'm' and not relispopulated order by 1";
    assert_eq!(place.sql(empty).await, "above\napart\nhollow\n");
}

#[tokio::test]
async fn triggers_neither_stop_nor_see_clear_and_are_afterwards_what_they_were() {
    let place = Place::new().await;
    place.succeeds(Verb::Build).await;
    place
        .sql("set role shop; \
            create function stop() returns trigger language plpgsql as 'begin raise exception ''stopped''; end'; \
            create table parted (n int) partition by list (n); create table part partition of parted for values in (1); \
            insert into parted values (1); \
            create trigger plain before truncate on users for each statement execute function stop(); \
            create trigger \"Always\" after truncate on users for each statement execute function stop(); \
            create trigger replica before truncate on posts for each statement execute function stop(); \
            create trigger off before truncate on posts for each statement execute function stop(); \
            create trigger parted before truncate on parted for each statement execute function stop(); \
            create trigger deleted before delete on users for each statement execute function stop(); \
            alter table users enable always trigger \"Always\"; alter table posts enable replica trigger replica; \
            alter table posts disable trigger off")
        .await;
    let states =
        "select tgname, tgenabled from pg_trigger where not tgisinternal order by tgname collate \"C\"";
    let before = place.sql(states).await;
    assert_eq!(
        before,
        "Always\tA\ndeleted\tO\noff\tD\nparted\tO\nplain\tO\nreplica\tR\n"
    );
    place.succeeds(Verb::Clear).await;
    let counts = "select (select count(*) from users), (select count(*) from parted)";
    assert_eq!(place.sql(counts).await, "0\t0\n");
    assert_eq!(place.sql(states).await, before);
    place.succeeds(Verb::Purge).await;
}

#[tokio::test]
async fn routines_of_every_kind_are_purged() {
    let place = Place::new().await;
    place.succeeds(Verb::Build).await;
    place
        .sql("set role shop; create aggregate mycount(*) (sfunc = int8inc, stype = int8, initcond = '0'); \
            create aggregate mysum(int) (sfunc = int4pl, stype = int, initcond = '0'); \
            create function keep(int, int) returns int language sql immutable as 'select $2'; \
            create function first(int, int) returns int language sql immutable as 'select $1'; \
            create aggregate ordered(int order by int) (sfunc = keep, stype = int, finalfunc = first); \
            create procedure taking(int, text) language sql as ''; \
            create procedure giving(n int, out t text) language sql as 'select ''x'''; \
            create procedure taking(n int, out t text) language sql as 'select ''x'''; \
            create function many(variadic n int[]) returns int language sql as 'select 1'; \
            create function named(\"a b\" int default 1, out x int, out y int) language sql as 'select 1, 2'; \
            create function tabled(m mood, u users) returns table (n int) language sql as 'select 1'; \
            reset role; create function \"Row\"() returns bigint language internal window as 'window_row_number'; \
            alter function \"Row\" owner to shop; \
            create aggregate hypo(variadic \"any\" order by variadic \"any\") (sfunc = ordered_set_transition_multi, \
                stype = internal, finalfunc = rank_final, hypothetical); \
            alter aggregate hypo(variadic \"any\" order by variadic \"any\") owner to shop")
        .await;
    place.succeeds(Verb::Purge).await;
    let left = "select count(*) from pg_proc where pronamespace = 'public'::regnamespace";
    assert_eq!(place.sql(left).await, "0\n");
}

#[tokio::test]
async fn what_was_purged_can_be_built_again() {
    let place = Place::new().await;
    place.file(
        "migrations/postgres.main/2_others.sql",
        "create collation names (locale = 'C'); create text search dictionary plain (template = simple); \
         create text search configuration plain (copy = simple); create operator @#@ (function = int4pl, leftarg = int, \
         rightarg = int); create operator @# (function = int4um, rightarg = int); \
         create conversion latin for 'UTF8' to 'LATIN1' from utf8_to_iso8859_1; \
         create domain small as int check (value < 9); create type pair as (a int, b int); \
         create type span as range (subtype = int)",
    );
    place.succeeds(Verb::Build).await;
    place
        .sql("create operator family fam using btree; alter operator family fam using btree owner to shop; \
            create operator class cls for type int4 using hash as operator 1 =; \
            alter operator class cls using hash owner to shop; alter operator family cls using hash owner to shop")
        .await;
    place.succeeds(Verb::Purge).await;
    let left = "select (select count(*) from pg_opfamily where opfnamespace = 'public'::regnamespace), \
        (select count(*) from pg_opclass where opcnamespace = 'public'::regnamespace)";
    assert_eq!(place.sql(left).await, "0\t0\n");
    place.succeeds(Verb::Build).await;
}

#[tokio::test]
async fn an_extension_of_another_role_stays_with_its_schema() {
    let place = Place::new().await;
    place.succeeds(Verb::Build).await;
    place
        .sql("create schema ext authorization shop; create extension pageinspect schema ext; \
            create schema joined authorization shop; create table joined.of_extension (n int); \
            alter extension pageinspect add table joined.of_extension; \
            set role shop; create table ext.own (n int); create function ext.own() returns int language sql as 'select 1'; \
            create type ext.mine as enum ('a'); create schema trusted; create extension hstore schema trusted")
        .await;
    place.succeeds(Verb::Purge).await;
    let extensions = "select extname from pg_extension order by 1";
    assert_eq!(place.sql(extensions).await, "pageinspect\nplpgsql\n");
    let left = "select (select count(*) from pg_class where relname = 'own'), \
        (select count(*) from pg_proc where proname = 'own'), (select count(*) from pg_type where typname = 'mine'), \
        to_regnamespace('trusted'), to_regclass('joined.of_extension')";
    assert_eq!(place.sql(left).await, "0\t0\t0\t\tjoined.of_extension\n");
    place.succeeds(Verb::Build).await;
}
