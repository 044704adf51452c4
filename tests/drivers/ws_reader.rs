//! The frame reader against tungstenite's, on arbitrary byte streams in arbitrary pieces.

use crate::fuzz_checks::frames::{End, LIMIT, Owned, agree, ours, read_up_to};
use proptest::prelude::*;
use soakrig::transport::ws::frame::Violation;
use soakrig::transport::ws::partial_message::MemoryBudget;
use soakrig::transport::ws::reader::{Message, Reader};
use soakrig::transport::ws::recent::Recent;

/// Cuts a stream into pieces at the given places.
fn cut<'a>(stream: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(stream.len() + 1)).collect();
    places.extend([0, stream.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}

/// A frame of a server, mostly as it should be.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let first = prop_oneof![
        12 => prop::sample::select(vec![0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8A]),
        1 => Just(0x88),
        1 => any::<u8>(),
    ];
    let payload = prop_oneof![
        4 => "\\PC{0,60}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..10),
        1 => ("é".prop_map(String::into_bytes), 0..2_usize).prop_map(|(b, at)| vec![b[at]]),
        1 => prop::collection::vec(0x61..0x7A_u8, 100..400),
        1 => (900..1100_u16, "[a-z]{0,5}").prop_map(|(c, r)| [&c.to_be_bytes(), r.as_bytes()].concat()),
        1 => (any::<u16>(), "[a-z]{0,5}").prop_map(|(c, r)| [&c.to_be_bytes(), r.as_bytes()].concat()),
    ];
    let shape = prop::sample::select(vec![0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]);
    (first, payload, shape).prop_map(|(first, payload, shape)| {
        let mut frame = vec![first];
        match (shape, payload.len()) {
            (0, short @ 0..=125) => frame.push(short as u8),
            (0 | 1, medium) => {
                frame.push(126);
                frame.extend_from_slice(&(medium as u16).to_be_bytes());
            }
            (2, long) => {
                frame.push(127);
                frame.extend_from_slice(&(long as u64).to_be_bytes());
            }
            (_, masked) => {
                frame.push(0x80 | (masked.min(125) as u8));
                frame.extend_from_slice(&[0; 4]);
            }
        }
        frame.extend_from_slice(&payload);
        frame
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn frames_are_read_as_tungstenite_reads_them(
        frames in prop::collection::vec(frame(), 0..12),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream = frames.concat();
        agree(&cut(&stream, &places));
    }

    #[test]
    fn bytes_are_read_as_tungstenite_reads_them(
        stream in prop::collection::vec(any::<u8>(), 0..300),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        agree(&cut(&stream, &places));
    }
}

/// A text frame with a header of four bytes.
fn long_text(payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[0x81, 126][..], &length, payload].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever a thread remembers, it reads the same. Small texts, large ones, and ones that start
    /// like a known one and then differ, or end in half a character.
    #[test]
    fn the_decode_cache_changes_no_message(
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4_usize, any::<bool>()), 1..12),
        places in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let known = "a list of members, \u{e9}. ".repeat(250).into_bytes();
        let frames = changes.iter().map(|(at, change, small)| {
            let mut text = known[..if *small { 40 } else { known.len() }].to_vec();
            let at = at.index(text.len());
            match change {
                1 => text[at] = b'x',
                2 => text.truncate(at),
                3 => text[at] = 0xFF,
                _ => {}
            }
            long_text(&text)
        });
        let stream: Vec<u8> = frames.collect::<Vec<_>>().concat();
        let whole = read_up_to(1 << 20, &[&stream], &mut Recent::default());
        let mut recent = Recent::default();
        for _ in 0..2 {
            prop_assert_eq!(&read_up_to(1 << 20, &cut(&stream, &places), &mut recent), &whole);
        }
    }
}

fn feed(bytes: &[u8]) -> Result<(), Violation> {
    Reader::new(LIMIT).feed(bytes, &mut Recent::default(), |_| {})
}

#[test]
fn the_size_limit_applies_to_the_header() {
    let mut reader = Reader::new(LIMIT);
    let announced = [&[0x82, 127][..], &u64::MAX.to_be_bytes()].concat();
    assert_eq!(reader.feed(&announced, &mut Recent::default(), |_| {}), Err(Violation::TooLarge));
    assert_eq!(reader.held(), 0);
    assert_eq!(feed(&[0x82, 126, 0x03, 0xE9]), Err(Violation::TooLarge));
    assert_eq!(feed(&[0x82, 126, 0x03, 0xE8]), Ok(()));
    let fragments = [&[0x02, 126, 0x03, 0xE8][..], &[7; 1000], &[0x80, 1]].concat();
    assert_eq!(feed(&fragments), Err(Violation::TooLarge));
}

#[test]
fn control_frames_may_come_between_fragments() {
    let stream = [&[0x01, 2][..], b"he", &[0x89, 1], b"p", &[0x00, 0], &[0x80, 3], b"llo"].concat();
    let (messages, end) = ours(&[&stream]);
    assert_eq!(messages, [Owned::Ping(b"p".to_vec()), Owned::Text("hello".to_owned())]);
    assert_eq!(end, End::Open);
}

#[test]
fn registered_close_codes_are_accepted() {
    for code in [1000, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 4000, 4999_u16] {
        let stream = [&[0x88, 2][..], &code.to_be_bytes()].concat();
        assert_eq!(ours(&[&stream]).0, [Owned::Close(Some((code, String::new())))]);
    }
}

#[test]
fn memory_of_a_large_frame_is_freed() {
    let mut reader = Reader::new(1 << 20);
    let stream = [&[0x81, 127][..], &200_000_u64.to_be_bytes(), &[b'x'; 200_000]].concat();
    let mut whole = 0;
    let mut recent = Recent::default();
    for piece in stream.chunks(65_536) {
        reader.feed(piece, &mut recent, |message| whole += usize::from(matches!(message, Message::Text(..)))).unwrap();
    }
    assert_eq!((whole, reader.held()), (1, 0));
}

#[test]
fn unfinished_messages_of_all_sockets_together_are_bounded() {
    static ROOM: MemoryBudget = MemoryBudget::new(1_000_000);
    let beginning = [&[0x82, 127][..], &300_000_u64.to_be_bytes(), &[7; 1_000]].concat();
    let fragment = [&[0x02, 126][..], &1_000_u16.to_be_bytes(), &[7; 1_000]].concat();
    let mut recent = Recent::default();
    let mut readers: Vec<Reader> = (0..5).map(|_| Reader::within(1 << 20, &ROOM)).collect();
    let mut begin = |readers: &mut [Reader], nth: usize, bytes: &[u8]| readers[nth].feed(bytes, &mut recent, |_| {});
    for nth in 0..3 {
        assert_eq!(begin(&mut readers, nth, &beginning), Ok(()));
    }
    assert_eq!(ROOM.left(), 100_000);
    assert_eq!(begin(&mut readers, 3, &beginning), Err(Violation::TooLarge));
    assert_eq!((readers[3].held(), ROOM.left()), (0, 100_000), "a refused reader keeps nothing");
    // A message of many fragments needs room as it grows, which is limited, too.
    let more = [&[0x00, 126][..], &1_000_u16.to_be_bytes(), &[7; 1_000]].concat();
    assert_eq!(begin(&mut readers, 4, &fragment), Ok(()));
    let taken = (0..200).take_while(|_| begin(&mut readers, 4, &more).is_ok()).count();
    assert!((50..100).contains(&taken), "{taken} fragments");
    // A whole frame needs no room, and the end of a long one frees its room.
    assert_eq!(begin(&mut readers, 0, &[7; 299_000]), Ok(()));
    assert_eq!(ROOM.left(), 400_000);
    drop(readers);
    assert_eq!(ROOM.left(), 1_000_000);
}

#[test]
fn frames_after_a_close_are_ignored() {
    let stream = [&[0x88, 0][..], &[0x81, 1], b"x", &[0xFF, 0xFF]].concat();
    assert_eq!(ours(&[&stream]), (vec![Owned::Close(None)], End::Closed));
}
