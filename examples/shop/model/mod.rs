//! What the shop keeps, and where: each model names its connection, and lives on no other.

mod event;
pub(crate) mod line;
pub(crate) mod order;
mod summary;

pub(crate) use event::Event;
pub(crate) use line::Model as Line;
pub(crate) use order::Model as Order;
pub(crate) use summary::Summary;
