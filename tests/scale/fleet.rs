//! Registries of any size, by hand what the derive writes for a file that nobody would write by hand.

/// A registry of these connections. `$file` gives the text of its `databases.toml`.
macro_rules! fleet {
    ($name:ident: [$handle:ty; $count:expr] by $method:ident, $file:expr) => {
        #[derive(Clone)]
        pub(crate) struct $name {
            pub(crate) handles: std::sync::Arc<Vec<$handle>>,
            registry: dbreg::Registry,
        }

        impl dbreg::__private::Root for $name {
            type Fields = Vec<$handle>;
            const ENV: &'static str = "DBREG";

            fn shape() -> &'static dbreg::__private::Shape {
                static SHAPE: dbreg::__private::Model = dbreg::__private::Model::new(|| {
                    let text: String = $file;
                    let loaded = registry_config::load(&text, "databases.toml");
                    assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
                    dbreg::__private::decode(registry_config::encode(&loaded.shape).leak())
                });
                &SHAPE
            }

            fn build(opening: &mut dbreg::__private::Opening) -> Vec<$handle> {
                (0..$count).map(|index| opening.$method(index)).collect()
            }

            fn assemble(fields: Vec<$handle>, registry: dbreg::Registry) -> Self {
                let handles = std::sync::Arc::new(fields);
                Self { handles, registry }
            }

            fn registry(&self) -> &dbreg::Registry {
                &self.registry
            }
        }

        impl $name {
            pub(crate) fn builder() -> dbreg::Builder<Self> {
                dbreg::Builder::new()
            }
        }

        impl std::ops::Deref for $name {
            type Target = dbreg::Registry;

            fn deref(&self) -> &dbreg::Registry {
                &self.registry
            }
        }
    };
}
pub(crate) use fleet;

/// A file with so many connections of a backend, which differ by name alone, and the keys that all of them have.
pub(crate) fn file(backend: &str, count: usize, keys: &str) -> String {
    let mut text = format!("[defaults.{backend}]\n{keys}\n");
    for number in 0..count {
        text += &format!("[{backend}.c{number}]\n");
    }
    text
}
