//! Compresses our own messages (RFC 7692), each independently.
//!
//! No I/O. Every server must accept a message that refers to no earlier one, and such a message needs no memory per
//! socket: the compressor, some 300 kB, belongs to the thread. References reach at most the length of the message, so
//! messages longer than the window are sent uncompressed.

use std::cell::Cell;

use flate2::{Compress, Compression, FlushCompress, Status};

/// The end that a message leaves out (RFC 7692, 7.2.1).
const END: [u8; 4] = [0, 0, 0xFF, 0xFF];

thread_local! {
    /// Taken out while compressing a message, and put back.
    static COMPRESSOR: Cell<Option<Box<Compress>>> = const { Cell::new(None) };
}

/// Compresses a message for a window of `window_bits` bits; `None` if it must be sent as it is, or would not become
/// smaller.
pub(super) fn pack(payload: &[u8], window_bits: u8) -> Option<Vec<u8>> {
    if payload.is_empty() || payload.len() > 1 << window_bits {
        return None;
    }
    let mut compressor = COMPRESSOR.take().unwrap_or_else(|| Box::new(Compress::new(Compression::default(), false)));
    // A result that does not fit is not smaller.
    let mut packed = Vec::with_capacity(payload.len() + END.len());
    let status = compressor.compress_vec(payload, &mut packed, FlushCompress::Sync);
    let whole = compressor.total_in() == payload.len() as u64 && packed.len() < packed.capacity();
    compressor.reset();
    COMPRESSOR.set(Some(compressor));
    if !matches!(status, Ok(Status::Ok)) || !whole || !packed.ends_with(&END) {
        return None;
    }
    packed.truncate(packed.len() - END.len());
    Some(packed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress};

    fn unpack(packed: &[u8]) -> Vec<u8> {
        let mut text = Vec::with_capacity(1 << 17);
        let whole = [packed, &END].concat();
        Decompress::new(false).decompress_vec(&whole, &mut text, FlushDecompress::Sync).unwrap();
        text
    }

    #[test]
    fn each_message_can_be_read_by_itself_and_is_smaller() {
        for text in ["a chat, a chat, a chat, a chat", &"list of members ".repeat(2_000)] {
            for _ in 0..2 {
                let packed = pack(text.as_bytes(), 15).unwrap();
                assert!(packed.len() < text.len());
                assert_eq!(unpack(&packed), text.as_bytes());
            }
        }
    }

    #[test]
    fn what_would_not_become_smaller_goes_as_it_is() {
        assert_eq!(pack(b"", 15), None);
        assert_eq!(pack(b"2", 15), None);
        let noise: Vec<u8> = (0..1_000_u32).flat_map(|n| crc32fast::hash(&n.to_le_bytes()).to_le_bytes()).collect();
        assert_eq!(pack(&noise, 15), None);
        assert!(pack("after it ".repeat(9).as_bytes(), 15).is_some());
    }

    #[test]
    fn a_message_longer_than_the_servers_window_goes_as_it_is() {
        let text = [b'x'; 257];
        assert_eq!(pack(&text, 8), None);
        assert!(pack(&text[..256], 8).is_some());
        assert!(pack(&text, 9).is_some());
    }
}
