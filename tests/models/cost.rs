//! What the compiler knows is gone at run time.

use crate::{cached, mysql, sqlite};
use dbreg::{At, Memcached, MySql, MySqlReader, Sqlite, Transaction, sqlx};

#[test]
fn a_tag_has_no_size() {
    type Main = mysql::app_registry::mysql::main;
    assert_eq!(size_of::<At<MySql, Main>>(), size_of::<MySql>());
    assert_eq!(size_of::<At<MySqlReader, Main>>(), size_of::<MySqlReader>());
    assert_eq!(
        size_of::<At<Transaction<sqlx::MySql>, Main>>(),
        size_of::<Transaction<sqlx::MySql>>()
    );
    assert_eq!(
        size_of::<At<Sqlite, sqlite::app_registry::sqlite::local>>(),
        size_of::<Sqlite>()
    );
    assert_eq!(
        size_of::<At<Memcached, cached::app_registry::memcached::cache>>(),
        size_of::<Memcached>()
    );
    assert_eq!(size_of::<Main>(), 0);
}
