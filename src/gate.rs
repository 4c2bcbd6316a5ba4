//! One gate per backend: a macro knows the features of dbreg, the derive does not.
//!
//! The derive writes a chain of gates around its output. Each passes everything on to the next, and the gate of a
//! backend that is off adds its message on the way. Behind the last one stands the generated code, or, with a message,
//! the fallback that no other error follows from:
//!
//! ```text
//! __gate_mysql! { {} {message} [::dbreg::__gate_end] {head} {tail} {code} }
//! ```
//!
//! The code is one token tree up to the last gate, so its size costs nothing before.

/// Defines the gate of one backend. `$d` is the dollar of the inner macro.
macro_rules! gate {
    ($d:tt $feature:literal $gate:ident) => {
        #[cfg(feature = $feature)]
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $gate {
                            ($d messages:tt $d mine:tt [$d($d next:tt)*] $d($d rest:tt)*) => {
                                $d($d next)*! { $d messages $d($d rest)* }
                            };
                        }

        #[cfg(not(feature = $feature))]
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $gate {
                            ({$d($d message:tt)*} {$d($d mine:tt)*} [$d($d next:tt)*] $d($d rest:tt)*) => {
                                $d($d next)*! { {$d($d message)* $d($d mine)*} $d($d rest)* }
                            };
                        }
    };
}

gate!($ "mysql" __gate_mysql);
gate!($ "mongodb" __gate_mongodb);
gate!($ "memcached" __gate_memcached);
gate!($ "sqlite" __gate_sqlite);
gate!($ "postgres" __gate_postgres);

/// The end of the chain.
#[doc(hidden)]
#[macro_export]
macro_rules! __gate_end {
    ({} $head:tt $tail:tt {$($code:tt)*}) => {
        $($code)*
    };
    ({$($message:tt)+} {$($head:tt)*} {$($tail:tt)*} $code:tt) => {
        $($head)* { $($message)* }
        $($tail)*
    };
}

/// A document is a model of mongodm, too, where that is asked for: the derive does not know.
#[cfg(feature = "mongodm")]
#[doc(hidden)]
#[macro_export]
macro_rules! __mongodm_model {
    ({$($generics:tt)*} {$($model:tt)*} {$($clause:tt)*}) => {
        #[automatically_derived]
        impl $($generics)* $crate::mongodm::Model for $($model)* $($clause)* {
            type CollConf = $crate::__private::CollectionConfig<Self>;
        }
    };
}

#[cfg(not(feature = "mongodm"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __mongodm_model {
    ($generics:tt $model:tt $clause:tt) => {};
}
