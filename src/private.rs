//! What generated code uses, and nobody else. It may change in any release.

pub use registry_config::{Shape, decode};
#[cfg(feature = "memcached")]
pub use registry_core::CacheKey;
#[cfg(feature = "mongodm")]
pub use registry_core::CollectionConfig;
pub use registry_core::{At, Opening, Optional, Root};

/// The run time of `#[dbreg::test]`.
#[cfg(feature = "test")]
pub mod test {
    pub use crate::testing::{Outcome, Prepare, Test, run};
}

/// What the file says. It is compiled in as text, and read once, at the first start.
pub type Model = std::sync::LazyLock<Shape>;
