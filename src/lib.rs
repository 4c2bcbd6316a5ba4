//! dbreg.
