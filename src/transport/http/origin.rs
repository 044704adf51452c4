//! The origin that requests go to.

use http::header::InvalidHeaderValue;
use http::{HeaderMap, HeaderValue};
use url::Url;

use crate::transport::dial::Endpoint;

/// One origin.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The endpoint to dial.
    pub endpoint: Endpoint,
    /// The `Host` header.
    pub host: HeaderValue,
    /// The `Origin` header.
    pub name: HeaderValue,
    /// The headers of `--header`, for this origin only; their values are secrets.
    pub headers: HeaderMap,
}

impl Origin {
    /// The origin of a URL; `None` if it has no host.
    ///
    /// # Errors
    /// A host that no header can hold.
    pub fn of(base: &Url) -> Result<Option<Self>, InvalidHeaderValue> {
        let Some(endpoint) = Endpoint::of(base) else { return Ok(None) };
        let origin = base.origin().ascii_serialization();
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        let (host, name) = (HeaderValue::from_str(host)?, HeaderValue::from_str(&origin)?);
        Ok(Some(Self { endpoint, host, name, headers: HeaderMap::new() }))
    }
}
