//! MongoDB with logins and replica sets: against servers that are played by a script, because the stand-in for `mongod`
//! has neither; and against a real `mongod` where there is one.
#![expect(clippy::unwrap_used, reason = "a test states its expectations by panicking")]

mod hosts;
mod login;
mod member;
mod mongod;
mod rotation;
mod scram;
mod tls;
mod wire;
