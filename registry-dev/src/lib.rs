//! Throw-away database servers.
