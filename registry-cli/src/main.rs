//! The command line of dbreg.
fn main() {}
