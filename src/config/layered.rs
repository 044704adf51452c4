//! Makes a struct of options readable from any layer by the names of its fields.
//!
//! Besides the clap arguments, `layered!` generates the list of keys and a way to set each by name, so that
//! a flag, its variable and its key in a file always match.

use super::value::{Given, ValueError};

/// A group of options, each unset or holding a value.
///
/// Keys are field names, in snake case.
pub trait Layered {
    /// Every key of the group.
    const KEYS: &'static [&'static str];

    /// Whether the key has a value; false for keys of other groups.
    fn is_set(&self, key: &str) -> bool;

    /// Sets a key of this group from what a layer holds; `None` for keys of other groups.
    fn set(&mut self, key: &str, given: &Given) -> Option<Result<(), ValueError>>;
}

/// Declares a group of options: clap arguments and [`Layered`] at once. Every field becomes an `Option`
/// of its type.
macro_rules! layered {
    (
        $(#[$meta:meta])*
        pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $ty:ty,)+ }
    ) => {
        #[derive(Debug, Clone, Default, PartialEq, clap::Args)]
        $(#[$meta])*
        pub struct $name { $($(#[$field_meta])* pub $field: Option<$ty>,)+ }

        impl $crate::config::layered::Layered for $name {
            const KEYS: &'static [&'static str] = &[$(stringify!($field)),+];

            fn is_set(&self, key: &str) -> bool {
                match key {
                    $(stringify!($field) => self.$field.is_some(),)+
                    _ => false,
                }
            }

            fn set(
                &mut self,
                key: &str,
                given: &$crate::config::value::Given,
            ) -> Option<Result<(), $crate::config::value::ValueError>> {
                match key {
                    $(stringify!($field) => Some(
                        <$ty as $crate::config::value::Value>::read(given).map(|value| self.$field = Some(value)),
                    ),)+
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use layered;
