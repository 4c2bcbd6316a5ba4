//! What `dbreg` says of servers that are there, and of servers that are not.

mod clock;
mod doctor;
mod faults;
mod ping;
mod program;
mod tls;
