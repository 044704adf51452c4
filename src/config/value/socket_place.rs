//! The value of `--control-socket`.

use std::path::PathBuf;
use std::str::FromStr;

use super::error::ValueError;

/// Location of the control socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketPlace {
    /// Nowhere.
    Off,
    /// In the runtime directory of this user's session.
    Auto,
    /// At this path.
    At(PathBuf),
}

impl FromStr for SocketPlace {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "" => Err(ValueError::new("not a place; give the path of a socket, or auto, or off")),
            "off" => Ok(Self::Off),
            "auto" => Ok(Self::Auto),
            path => Ok(Self::At(path.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_or_auto_or_off() {
        assert_eq!("auto".parse(), Ok(SocketPlace::Auto));
        assert_eq!("off".parse(), Ok(SocketPlace::Off));
        assert_eq!("./auto".parse(), Ok(SocketPlace::At("./auto".into())));
        assert!("".parse::<SocketPlace>().is_err());
    }
}
