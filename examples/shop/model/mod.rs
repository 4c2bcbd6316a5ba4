//! What the shop keeps, and where: each model names its connection, and lives on no other.

pub(crate) mod article;
mod event;
pub(crate) mod line;
pub(crate) mod order;
pub(crate) mod parcel;
mod summary;

pub(crate) use article::Model as Article;
pub(crate) use event::Event;
pub(crate) use line::Model as Line;
pub(crate) use order::Model as Order;
pub(crate) use parcel::Model as Parcel;
pub(crate) use summary::Summary;
