//! The protocols, a folder and one line here each. What a protocol must be able to do is
//! [`crate::protocol`].

pub mod file;
pub mod plenary;

use crate::protocol::Protocol;

/// What is to be done with the protocol that was chosen.
///
/// The choice is made once a command; everything below it is compiled for the protocol's own types.
pub trait Visitor {
    /// What comes of it.
    type Output;

    /// Does it with this protocol.
    fn visit<P: Protocol>(self, protocol: P) -> Self::Output;
}

/// Makes the registry: a name and the protocol a line.
macro_rules! registry {
    ($($name:literal => $protocol:expr,)+) => {
        /// The names of all protocols.
        pub const NAMES: &[&str] = &[$($name),+];

        /// Gives the protocol of this name to `visitor`; `None` where there is none.
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
