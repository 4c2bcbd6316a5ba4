//! Values with a type: what the keys are made of, and how long they are kept, stands on the type.

use super::{Expiry, Memcached};
use crate::at::At;
use crate::error::Error;
use crate::model::ModelOf;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::{self, Write as _};

/// A value of memcached that knows its keys and its expiry. Written by `#[derive(dbreg::Model)]` with `key = "…"`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a value of memcached",
    label = "it has no keys",
    note = "write `#[derive(dbreg::Model)] #[model(app_registry::memcached::cache, key = \"cart:{{user}}\")]`, say, on it"
)]
pub trait CacheModel {
    /// What tells one value's key from another's: the field of the pattern, a tuple of several, or `()` of none.
    type Key<'k>
    where
        Self: 'k;
    /// How long a value is kept.
    const EXPIRY: Expiry;

    /// The key of this value.
    fn key(&self) -> Self::Key<'_>;

    /// The key as it is sent.
    fn write_key(key: Self::Key<'_>) -> String;
}

/// Each is a command with the connection's `timeout`, and its error is recorded, as those of [`Memcached`].
///
/// ```no_run
/// # mod example {
/// # use registry_core::{At, CacheModel, Error, Expiry, Memcached, ModelOf};
/// # #[derive(serde::Serialize, serde::Deserialize)]
/// # struct Cart { user: u64, articles: Vec<String> }
/// # impl CacheModel for Cart {
/// #     type Key<'k> = u64;
/// #     const EXPIRY: Expiry = Expiry::Never;
/// #     fn key(&self) -> u64 { self.user }
/// #     fn write_key(user: u64) -> String { format!("cart:{user}") }
/// # }
/// # async fn show<P>(cache: &At<Memcached, P>) -> Result<(), Error> where Cart: ModelOf<P> {
/// // #[model(app_registry::memcached::cache, key = "cart:{user}", expiry = "10m")]
/// let cart = Cart { user: 7, articles: vec!["tea".to_owned()] };
/// cache.store(&cart).await?; // under `cart:7`, for ten minutes
/// let found = cache.fetch::<Cart>(7).await?;
/// cache.forget::<Cart>(7).await?;
/// # Ok(())
/// # }
/// # }
/// ```
impl<P> At<Memcached, P> {
    /// The value with this key; `None` when there is none. It is read as JSON.
    ///
    /// # Errors
    /// As [`get`](Memcached::get); `Operation` when what is there is not the JSON of a `V`.
    pub async fn fetch<V>(&self, key: V::Key<'_>) -> Result<Option<V>, Error>
    where
        V: ModelOf<P> + CacheModel + DeserializeOwned,
    {
        self.get_as(V::write_key(key)).await
    }

    /// Stores a value as JSON under its key, for as long as its type says.
    ///
    /// # Errors
    /// As [`set`](Memcached::set).
    pub async fn store<V>(&self, value: &V) -> Result<(), Error>
    where
        V: ModelOf<P> + CacheModel + Serialize,
    {
        self.set_as(V::write_key(value.key()), value, V::EXPIRY).await
    }

    /// Removes the value with this key; false when there is none.
    ///
    /// # Errors
    /// As [`delete`](Memcached::delete).
    pub async fn forget<V>(&self, key: V::Key<'_>) -> Result<bool, Error>
    where
        V: ModelOf<P> + CacheModel,
    {
        self.delete(V::write_key(key)).await
    }
}

/// A key while it is written. For generated code.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct CacheKey(String);

impl CacheKey {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The pattern's own text.
    #[must_use]
    pub fn literal(mut self, text: &str) -> Self {
        self.0.push_str(text);
        self
    }

    /// A field's text, without what could end it: two values with different fields never have one key.
    #[must_use]
    pub fn field(mut self, field: &(impl fmt::Display + ?Sized)) -> Self {
        // Whoever cannot be written writes as much as comes out; nothing here fails by itself.
        let _ = write!(Escaped(&mut self.0), "{field}");
        self
    }

    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }
}

/// Writes letters, digits and `-_.~@` as they are, and every other byte as `%3A`.
struct Escaped<'s>(&'s mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_alphanumeric() || "-_.~@".contains(c) {
                self.0.push(c);
                continue;
            }
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                write!(self.0, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(tenant: &str, user: &str) -> String {
        CacheKey::new()
            .literal("cart:")
            .field(tenant)
            .literal(":")
            .field(user)
            .finish()
    }

    #[test]
    fn different_fields_never_have_one_key() {
        assert_eq!(key("a", "b"), "cart:a:b");
        assert_ne!(key("a:b", "c"), key("a", "b:c"));
        assert_ne!(key("a%3Ab", "c"), key("a:b", "c"));
        assert_ne!(key("", ":"), key(":", ""));
    }

    #[test]
    fn what_would_be_a_command_is_text() {
        let key = CacheKey::new().field("a b\r\nflush_all\r\n\0\u{85}ß@x").finish();
        assert_eq!(key, "a%20b%0D%0Aflush_all%0D%0A%00%C2%85ß@x");
        assert!(super::super::key::checked(&key, "").is_ok());
    }

    #[test]
    fn numbers_are_themselves() {
        assert_eq!(
            CacheKey::new().field(&-7).literal(":").field(&1.5).finish(),
            "-7:1.5"
        );
    }
}
