//! What `clear` and `purge` leave.

use super::place::Place;
use crate::tasks::Verb;

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
