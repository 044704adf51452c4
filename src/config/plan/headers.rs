//! The headers of `--header`: given one by one, or in files. No error contains their values.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::super::layers::Layers;
use super::super::value::HeaderText;
use crate::error::StartError;

/// Largest file of headers, or of a proxy, that is accepted, in bytes.
const FILE_LIMIT: u64 = 64 << 10;

/// Maximum number of headers.
const COUNT_LIMIT: usize = 64;

/// Headers that soakrig sets itself; another value would break requests or upgrades.
const OURS: [&str; 13] = [
    "host",
    "cookie",
    "origin",
    "referer",
    "connection",
    "upgrade",
    "accept-encoding",
    "content-length",
    "content-type",
    "expect",
    "te",
    "trailer",
    "transfer-encoding",
];

/// The headers of every request.
///
/// # Errors
/// A file that cannot be read, a line that is not a header, or a header that soakrig sets itself.
pub(super) fn read_headers(layers: &mut Layers, given: &[HeaderText]) -> Result<HeaderMap, StartError> {
    let mut headers = HeaderMap::new();
    for text in given {
        match text.0.reveal().strip_prefix('@') {
            None => add(&mut headers, text.0.reveal()).map_err(|why| layers.conflict(&["header"], why))?,
            Some(file) => {
                let (lines, open_to_others) = load(Path::new(file))
                    .map_err(|e| layers.conflict(&["header"], format!("{file}: {e}; @FILE needs a readable file")))?;
                if open_to_others {
                    layers
                        .warnings
                        .push(format!("{file}: every user of this machine can read the headers (chmod 600)"));
                }
                for (number, line) in lines.lines().enumerate().filter(|(_, line)| is_entry(line)) {
                    add(&mut headers, line)
                        .map_err(|why| layers.conflict(&["header"], format!("{file}:{}: {why}", number + 1)))?;
                }
            }
        }
    }
    if headers.len() > COUNT_LIMIT {
        return Err(layers.conflict(&["header"], format!("more than {COUNT_LIMIT} headers")));
    }
    Ok(headers)
}

/// Whether a line of a file is neither empty nor a comment.
pub(super) fn is_entry(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with('#')
}

/// The text of a file that holds secrets, without a byte-order mark, and whether others can read it.
pub(super) fn load(path: &Path) -> std::io::Result<(String, bool)> {
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    let mut text = String::new();
    if file.take(FILE_LIMIT + 1).read_to_string(&mut text)? as u64 > FILE_LIMIT {
        return Err(std::io::Error::other(format!("it is larger than {FILE_LIMIT} bytes")));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
    Ok((text, metadata.is_file() && metadata.permissions().mode() & 0o004 != 0))
}

fn add(headers: &mut HeaderMap, line: &str) -> Result<(), String> {
    let (name, value) = line.split_once(':').ok_or("not in the form 'NAME: VALUE'")?;
    let name: HeaderName = name.trim().parse().map_err(|_| "the name of a header has letters, digits and '-'")?;
    if OURS.contains(&name.as_str()) || name.as_str().starts_with("sec-websocket-") {
        return Err(format!("soakrig sets the header {name} itself; leave it out"));
    }
    let value = HeaderValue::from_str(value.trim());
    let mut value = value.map_err(|_| format!("the value of the header {name} holds characters that no header may"))?;
    value.set_sensitive(true);
    headers.append(name, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Secret;

    fn read(lines: &[&str]) -> Result<HeaderMap, String> {
        let given: Vec<HeaderText> = lines.iter().map(|line| HeaderText(Secret::new(*line))).collect();
        read_headers(&mut Layers::default(), &given).map_err(|e| e.to_string())
    }

    #[test]
    fn headers_come_one_by_one_and_from_files() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\u{feff}# ours\nX-Two: 2\r\n\nX-Two: 3\n").unwrap();
        let headers = read(&["Authorization: Bearer s3cret", &format!("@{}", file.path().display())]).unwrap();
        assert_eq!(headers["authorization"], "Bearer s3cret");
        assert_eq!(headers.get_all("x-two").iter().collect::<Vec<_>>(), ["2", "3"]);
        assert!(!format!("{headers:?}").contains("s3cret"), "{headers:?}");
    }

    #[test]
    fn what_is_not_a_header_or_ours_is_refused_without_its_value() {
        for line in [
            "Host: s3cret",
            "cookie: s3cret",
            "Origin: s3cret",
            "Connection: s3cret",
            "Sec-WebSocket-Protocol: s3cret",
            "Content-Length: s3cret",
            "s3cret",
            "a b: s3cret",
            "X: s3cret\r\nY: 1",
            "@/nowhere/headers",
        ] {
            let error = read(&[line]).unwrap_err();
            assert!(error.contains("--header") && !error.contains("s3cret"), "{error}");
        }
    }
}
