//! The protocols: a folder and one line here for each. [`crate::protocol`] is their interface.

pub mod file;
pub mod plenary;

use crate::protocol::Protocol;

/// Work with the chosen protocol.
///
/// The choice is made once per command; everything below it is compiled for the protocol's own types.
pub trait Visitor {
    /// The result of the work.
    type Output;

    /// Does the work with this protocol.
    fn visit<P: Protocol>(self, protocol: P) -> Self::Output;
}

/// Creates the registry from one line per protocol: its name and type.
macro_rules! registry {
    ($($name:literal => $protocol:expr,)+) => {
        /// The names of all protocols.
        pub const NAMES: &[&str] = &[$($name),+];

        /// Calls `visitor` with the protocol of this name; `None` if there is none.
        pub fn with<V: Visitor>(name: &str, visitor: V) -> Option<V::Output> {
            match name {
                $($name => Some(visitor.visit($protocol)),)+
                _ => None,
            }
        }
    };
}

registry! {
    "plenary" => plenary::PlenaryProtocol,
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Name;

    impl Visitor for Name {
        type Output = String;

        fn visit<P: Protocol>(self, protocol: P) -> String {
            protocol.name().to_owned()
        }
    }

    #[test]
    fn each_protocol_is_registered_by_the_name_it_states() {
        for name in NAMES {
            assert_eq!(with(name, Name).as_deref(), Some(*name));
        }
        assert_eq!(with("plenarys", Name), None);
    }
}
