//! The verbs of `dbreg` on databases that are there, with a look at the data afterwards by the driver's own client.

mod mysql;
mod newcomer;
mod others;
mod partial;
#[path = "../live/program.rs"]
mod program;
mod protection;
mod sqlite;
