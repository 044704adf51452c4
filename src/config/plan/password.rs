//! The password: given, or the first line of a file. No error contains its text.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::StartError;
use crate::model::Secret;

use super::super::layers::Layers;

/// Longest first line of a password file accepted, in bytes.
const LIMIT: u64 = 4096;

/// The password that was set, if any.
///
/// # Errors
/// An empty password, both options at once, or a file that cannot be read.
pub(super) fn read_password(layers: &mut Layers) -> Result<Option<Secret>, StartError> {
    let users = layers.settings.users.clone();
    match (users.password, users.password_file) {
        (Some(_), Some(_)) => {
            Err(layers.conflict(&["password", "password_file"], "only one of them can say what the password is"))
        }
        (Some(password), None) if password.0.reveal().is_empty() => {
            Err(layers.conflict(&["password"], "is empty").remedy("leave it out to have one generated, or give one"))
        }
        (Some(password), None) => Ok(Some(password.0)),
        (None, Some(path)) => {
            let (password, open_to_others) = first_line(&path)
                .map_err(|why| layers.conflict(&["password_file"], format!("{}: {why}", path.display())))?;
            if open_to_others {
                let text = format!("{}: every user of this machine can read the password (chmod 600)", path.display());
                layers.warnings.push(text);
            }
            Ok(Some(password))
        }
        (None, None) => Ok(None),
    }
}

/// The first line without its end, and whether others can read the file.
fn first_line(path: &Path) -> Result<(Secret, bool), String> {
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let metadata = file.metadata().map_err(|e| e.to_string())?;
    let open_to_others = metadata.is_file() && metadata.permissions().mode() & 0o004 != 0;
    let mut bytes = Vec::new();
    file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    // Some editors begin a file with a byte-order mark, which is not part of the password.
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
    if line.len() as u64 > LIMIT {
        return Err(format!("the first line is longer than {LIMIT} bytes"));
    }
    match std::str::from_utf8(line) {
        Ok("") => Err("the first line is empty".to_owned()),
        Ok(text) => Ok((Secret::new(text), open_to_others)),
        Err(_) => Err("the first line is not valid UTF-8".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_password() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\u{feff}Sup3rS3cret\r\nnext").unwrap();
        assert_eq!(first_line(file.path()).unwrap().0.reveal(), "Sup3rS3cret");
        std::fs::write(file.path(), "\u{feff}\n").unwrap();
        assert_eq!(first_line(file.path()).unwrap_err(), "the first line is empty");
    }
}
