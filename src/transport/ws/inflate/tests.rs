//! The messages of RFC 7692, those of zlib, damaged ones, and bombs.

use flate2::{Compress, Compression, FlushCompress};
use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 20;

fn inflate(server_takeover: bool) -> Inflate {
    Inflate::new(PerMessageDeflate { server_takeover, ..PerMessageDeflate::default() })
}

fn read(inflate: &mut Inflate, packed: &[u8]) -> Result<String, Violation> {
    inflate.message(packed, LIMIT, |text| String::from_utf8_lossy(text).into_owned())
}

/// A server's compressor.
struct Server(Compress);

impl Server {
    fn new() -> Self {
        Self(Compress::new(Compression::default(), false))
    }

    fn pack(&mut self, text: &[u8]) -> Vec<u8> {
        let mut packed = Vec::with_capacity(text.len() + 1_000);
        self.0.compress_vec(text, &mut packed, FlushCompress::Sync).unwrap();
        assert!(packed.ends_with(&TAIL[..4]));
        packed.truncate(packed.len() - 4);
        packed
    }
}

/// RFC 7692, 7.2.3.1 to 7.2.3.6.
#[test]
fn the_examples_of_the_rfc_are_read() {
    let with_fixed_codes = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let referring_back = [0xf2, 0x00, 0x11, 0x00, 0x00];
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    let last_block = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    let two_blocks = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    let mut with_context = inflate(true);
    for packed in [&with_fixed_codes[..], &referring_back, &stored, &last_block, &two_blocks] {
        assert_eq!(read(&mut with_context, packed), Ok("Hello".to_owned()), "{packed:02x?}");
    }
    assert_eq!(read(&mut with_context, &[0x00]), Ok(String::new()), "an empty message");
    assert_eq!(read(&mut with_context, &[]), Ok(String::new()), "as browsers take it");
    let mut without = inflate(false);
    assert_eq!(read(&mut without, &with_fixed_codes), Ok("Hello".to_owned()));
    let damaged = Err(Violation::Protocol("compressed data is damaged"));
    assert_eq!(read(&mut without, &referring_back), damaged, "there is nothing to refer to");
}

#[test]
fn a_last_block_may_end_a_message_without_an_empty_one() {
    let mut with_context = inflate(true);
    assert_eq!(read(&mut with_context, &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00]), Ok("Hello".to_owned()));
}

#[test]
fn damaged_and_unfinished_messages_are_violations() {
    let text: String = (0..300).map(|n| format!("{n} ")).collect();
    let whole = Server::new().pack(text.as_bytes());
    assert_eq!(read(&mut inflate(true), &whole), Ok(text));
    for end in 1..whole.len() {
        assert!(read(&mut inflate(true), &whole[..end]).is_err(), "{end} of {}", whole.len());
    }
    for packed in [&[0x07][..], &[0xff; 20], b"Hello", &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48]] {
        assert!(matches!(read(&mut inflate(false), packed), Err(Violation::Protocol(_))), "{packed:02x?}");
    }
}

#[test]
fn what_a_message_unpacks_to_is_bounded_and_its_memory_is_given_back() {
    for server_takeover in [true, false] {
        let bomb = Server::new().pack(&vec![b'x'; 64 << 20]);
        assert!(bomb.len() < 80_000);
        let mut inflate = inflate(server_takeover);
        assert_eq!(read(&mut inflate, &bomb), Err(Violation::TooLarge));
        assert!(inflate.held() <= 48 << 10, "{} bytes", inflate.held());
        let allowed = Server::new().pack(&vec![b'x'; LIMIT]);
        assert_eq!(inflate.message(&allowed, LIMIT, <[u8]>::len), Ok(LIMIT));
        assert_eq!(inflate.message(&allowed, LIMIT - 1, <[u8]>::len), Err(Violation::TooLarge));
        assert!(inflate.held() <= 48 << 10, "{} bytes", inflate.held());
    }
}

#[test]
fn a_socket_holds_what_its_messages_may_refer_to_and_nothing_without_context() {
    let mut with_context = inflate(true);
    assert_eq!(with_context.held(), 0, "before the first message");
    let mut server = Server::new();
    read(&mut with_context, &server.pack(b"a short message")).unwrap();
    assert!(with_context.held() <= 1 << 10, "{}", with_context.held());
    for n in 0..2_000 {
        let text = format!("message {n} of the evening, as it was said to all; {}", n * n);
        assert_eq!(read(&mut with_context, &server.pack(text.as_bytes())), Ok(text));
    }
    assert!(with_context.held() <= 48 << 10, "{}", with_context.held());
    let mut small = Inflate::new(PerMessageDeflate { server_window_bits: 12, ..PerMessageDeflate::default() });
    let mut alone = inflate(false);
    for n in 0..200 {
        let text = vec![b'0' + u8::try_from(n % 10).unwrap(); 1_000];
        let packed = Server::new().pack(&text);
        assert_eq!(small.message(&packed, LIMIT, <[u8]>::to_vec), Ok(text.clone()));
        assert_eq!(alone.message(&packed, LIMIT, <[u8]>::to_vec), Ok(text));
    }
    assert!(small.held() <= 6 << 10, "{}", small.held());
    assert_eq!(alone.held(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Similar texts, so that they refer back, up to the whole window and beyond.
    #[test]
    fn whatever_a_server_compresses_is_read(
        messages in prop::collection::vec((0..40_000_usize, 0..3_000_usize, any::<u8>()), 1..12),
        server_takeover: bool,
    ) {
        let book: Vec<u8> = (0..50_000_u32).flat_map(|n| crc32fast::hash(&(n / 7).to_le_bytes()).to_le_bytes()).collect();
        let (mut server, mut inflate) = (Server::new(), inflate(server_takeover));
        for (at, length, end) in messages {
            let text = [&book[at..at + length * usize::from(end % 4)], &[end]].concat();
            if !server_takeover {
                server = Server::new();
            }
            let packed = server.pack(&text);
            prop_assert_eq!(inflate.message(&packed, LIMIT, <[u8]>::to_vec), Ok(text));
        }
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(packed in prop::collection::vec(any::<u8>(), 0..300), server_takeover: bool) {
        let mut inflate = inflate(server_takeover);
        for _ in 0..2 {
            if let Ok(length) = inflate.message(&packed, 1_000, <[u8]>::len) {
                prop_assert!(length <= 1_000);
            }
        }
    }
}
