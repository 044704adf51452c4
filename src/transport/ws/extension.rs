//! `Sec-WebSocket-Extensions`: permessage-deflate (RFC 7692), offered as browsers do.
//!
//! No I/O. `inflate` and `deflate` apply the terms.

use http::{HeaderMap, HeaderValue, header::SEC_WEBSOCKET_EXTENSIONS};

/// The offer of Chrome and Safari; Firefox leaves the parameter out.
pub const OFFER: HeaderValue = HeaderValue::from_static("permessage-deflate; client_max_window_bits");

/// The only extension.
const NAME: &str = "permessage-deflate";

/// The terms of compression that a server answered with (RFC 7692, 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerMessageDeflate {
    /// Whether a message of the server may refer to earlier ones.
    pub server_takeover: bool,
    /// Window of the server's compressor: 2 to the power of this, in bytes.
    pub server_window_bits: u8,
    /// Window of our compressor, likewise.
    pub client_window_bits: u8,
}

impl Default for PerMessageDeflate {
    /// The terms of an answer without parameters.
    fn default() -> Self {
        Self { server_takeover: true, server_window_bits: 15, client_window_bits: 15 }
    }
}

impl PerMessageDeflate {
    /// The terms in an answer; `None` if the server chose no extension.
    ///
    /// # Errors
    /// In words: an extension or a parameter that [`OFFER`] does not allow, a parameter twice, or
    /// a window that RFC 7692 does not know.
    pub fn agreed(answer: &HeaderMap) -> Result<Option<Self>, String> {
        let mut agreed = None;
        for value in answer.get_all(SEC_WEBSOCKET_EXTENSIONS) {
            let text = value.to_str().map_err(|_| "an extension that is not text".to_owned())?;
            for extension in text.split(',').map(str::trim).filter(|extension| !extension.is_empty()) {
                if agreed.replace(Self::read(extension)?).is_some() {
                    return Err(format!("{NAME} twice"));
                }
            }
        }
        Ok(agreed)
    }

    fn read(extension: &str) -> Result<Self, String> {
        let mut parts = extension.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        if !name.eq_ignore_ascii_case(NAME) {
            return Err(format!("the extension {}, which was not offered", shown(name)));
        }
        let mut terms = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for part in parts {
            let (name, value) = part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value)));
            let name = name.trim().to_ascii_lowercase();
            terms.take(&name, value.map(unquoted))?;
            if seen.contains(&name) {
                return Err(format!("{NAME} with {name} twice"));
            }
            seen.push(name);
        }
        Ok(terms)
    }

    fn take(&mut self, name: &str, value: Option<&str>) -> Result<(), String> {
        match (name, value) {
            ("server_no_context_takeover", None) => self.server_takeover = false,
            // Our messages never refer to earlier ones anyway.
            ("client_no_context_takeover", None) => {}
            ("server_max_window_bits", Some(value)) => self.server_window_bits = window_bits(name, value)?,
            ("client_max_window_bits", Some(value)) => self.client_window_bits = window_bits(name, value)?,
            ("server_no_context_takeover" | "client_no_context_takeover", Some(_)) => {
                return Err(format!("{NAME} with a value for {name}, which takes none"));
            }
            ("server_max_window_bits" | "client_max_window_bits", None) => {
                return Err(format!("{NAME} without a value for {name}"));
            }
            (unknown, _) => return Err(format!("{NAME} with the unknown parameter \"{}\"", shown(unknown))),
        }
        Ok(())
    }
}

fn window_bits(name: &str, value: &str) -> Result<u8, String> {
    let bits = value.parse().ok().filter(|bits| (8..=15).contains(bits) && !value.starts_with(['0', '+']));
    bits.ok_or_else(|| format!("{NAME} with {name}={}, which is not a number from 8 to 15", shown(value)))
}

fn unquoted(value: &str) -> &str {
    let value = value.trim();
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

/// A word of the server, shortened for a message.
fn shown(word: &str) -> String {
    word.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(values: &[&str]) -> Result<Option<PerMessageDeflate>, String> {
        let mut answer = HeaderMap::new();
        for value in values {
            answer.append(SEC_WEBSOCKET_EXTENSIONS, value.parse().unwrap());
        }
        PerMessageDeflate::agreed(&answer)
    }

    #[test]
    fn the_terms_of_common_servers_are_read() {
        let plain = PerMessageDeflate::default();
        assert_eq!(agreed(&[]), Ok(None));
        assert_eq!(agreed(&[""]), Ok(None));
        assert_eq!(agreed(&["permessage-deflate"]), Ok(Some(plain)), "npm ws");
        let small = PerMessageDeflate { server_window_bits: 12, client_window_bits: 12, ..plain };
        let websockets = "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12";
        assert_eq!(agreed(&[websockets]), Ok(Some(small)), "PyPI websockets");
        let alone = PerMessageDeflate { server_takeover: false, ..plain };
        let none = " PerMessage-Deflate ;server_no_context_takeover; client_no_context_takeover";
        assert_eq!(agreed(&[none]), Ok(Some(alone)));
        let quoted = "permessage-deflate; client_max_window_bits=\"8\"";
        assert_eq!(agreed(&[quoted]), Ok(Some(PerMessageDeflate { client_window_bits: 8, ..plain })));
    }

    #[test]
    fn terms_that_were_not_offered_are_refused_in_words() {
        for (answer, word) in [
            ("x-webkit-deflate-frame", "x-webkit-deflate-frame, which was not offered"),
            ("permessage-deflate, permessage-deflate", "twice"),
            ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", "twice"),
            ("permessage-deflate; server_no_context_takeover=1", "takes none"),
            ("permessage-deflate; server_max_window_bits", "without a value"),
            ("permessage-deflate; client_max_window_bits", "without a value"),
            ("permessage-deflate; server_max_window_bits=7", "server_max_window_bits=7"),
            ("permessage-deflate; server_max_window_bits=16", "from 8 to 15"),
            ("permessage-deflate; client_max_window_bits=08", "from 8 to 15"),
            ("permessage-deflate; client_max_window_bits=", "from 8 to 15"),
            ("permessage-deflate; level=9", "level"),
            ("permessage-deflate;", "parameter"),
        ] {
            let refusal = agreed(&[answer]).unwrap_err();
            assert!(refusal.contains(word), "{answer}: {refusal}");
        }
        assert!(agreed(&["permessage-deflate", "permessage-deflate"]).unwrap_err().contains("twice"));
    }
}
