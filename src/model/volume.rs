//! The volume of one kind of traffic.

/// The volume of one kind of traffic; `R` is the type of a total rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Volume<R> {
    /// None.
    Off,
    /// A total rate for all users of this generator, however many are connected.
    Total(R),
    /// Intents per second and connected user.
    PerUser(f64),
}

impl<R> Volume<R> {
    /// The same volume with its total converted.
    pub fn map<T>(self, convert: impl FnOnce(R) -> T) -> Volume<T> {
        match self {
            Self::Off => Volume::Off,
            Self::Total(rate) => Volume::Total(convert(rate)),
            Self::PerUser(each) => Volume::PerUser(each),
        }
    }
}

impl Volume<f64> {
    /// Intents per second while `connected` users are connected.
    #[must_use]
    pub fn per_second(self, connected: usize) -> f64 {
        match self {
            Self::Off => 0.0,
            Self::Total(rate) => rate,
            #[allow(clippy::cast_precision_loss)]
            Self::PerUser(each) => each * connected as f64,
        }
    }
}
