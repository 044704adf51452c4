//! The few messages that the bare broadcaster has to write and to understand.

/// A page's form with its token.
pub const FORM: &str = "<form><input type=\"hidden\" name=\"csrfmiddlewaretoken\" value=\"t\"></form>";

/// A page.
pub fn page(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// The event page's state for the user of this id.
pub fn state(id: &str) -> String {
    format!(
        "<script>window.__INITIAL_STATE__ = {{\"plenary\": {{\"open\": true, \"breakouts_open\": false}}, \
         \"breakouts\": [], \"auth\": {{\"is_authenticated\": true, \"id\": {id}}}}};</script>"
    )
}

/// A chat as the application spells it; `message` is a JSON string.
pub fn chat(id: u64, user: u64, message: &str) -> String {
    let mut chat = format!(
        "{{\"payload\": {{\"id\": {id}, \"user\": {user}, \"created\": \"2026-11-24T12:00:00.000000+00:00\", \
         \"message\": {message}, \"highlight\": false, \"archived\": false, \"mentions\": []}}, \"type\": \"chat\"}}"
    );
    if user == 0 {
        // The server's own chats are as long as the users': 300 bytes in all.
        let missing = 300_usize.saturating_sub(chat.len());
        chat = chat.replacen("own\"", &format!("own{}\"", "x".repeat(missing)), 1);
    }
    chat
}

/// A member list of about this many bytes.
pub fn members(bytes: usize) -> String {
    let one = "{\"id\": 1, \"username\": \"loadtest0\", \"display_name\": \"loadtest0\", \"image\": null, \
               \"contact_card_twitter\": null, \"contact_card_email\": null}";
    let count = (bytes / (one.len() + 2)).max(1);
    format!(
        "{{\"payload\": {{\"channel_name\": \"event-1\", \"members\": [{}], \"lurkers\": 0}}, \"type\": \"presence\"}}",
        vec![one; count].join(", ")
    )
}

/// A text frame from the server.
pub fn text(payload: &[u8]) -> Vec<u8> {
    frame(1, payload)
}

/// A whole frame from the server.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80 | opcode];
    match payload.len() {
        short @ 0..=125 => out.push(short as u8),
        middle @ 126..=65_535 => {
            out.push(126);
            out.extend_from_slice(&(middle as u16).to_be_bytes());
        }
        long => {
            out.push(127);
            out.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}

/// Takes one whole masked frame off the front; `None` if it is not whole.
pub fn take_frame(bytes: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (opcode, short) = (*bytes.first()? & 0x0f, usize::from(*bytes.get(1)? & 0x7f));
    let (length, at) = match short {
        126 => (usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])), 4),
        127 => return None,
        short => (short, 2),
    };
    if bytes.len() < at + 4 + length {
        return None;
    }
    let mask = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
    let payload = bytes[at + 4..at + 4 + length].iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m).collect();
    bytes.drain(..at + 4 + length);
    Some((opcode, payload))
}

/// The message of a chat, as the JSON string that it is.
pub fn said(payload: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(payload).ok()?;
    text.split_once("\"message\": ")?.1.strip_suffix("}}")
}

/// A header's value.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// What follows `before`, as long as its characters are wanted.
pub fn between<'a>(text: &'a str, before: &str, wanted: impl Fn(char) -> bool) -> Option<&'a str> {
    let rest = text.split_once(before)?.1;
    let end = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
    Some(&rest[..end])
}
