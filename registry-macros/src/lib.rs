//! The derive macro of dbreg.
