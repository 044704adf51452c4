//! Markers as written, damaged, quoted, and texts that resemble markers.

use super::*;
use proptest::prelude::*;

const SENDER: SenderId = SenderId::number(6);

fn marker(seq: u64) -> Marker {
    Marker {
        run: RunTag::of("night"),
        room: RoomTag::of("test"),
        generator: GeneratorTag(7),
        seq,
        intended_micros: 1_763_900_000_000_000,
    }
}

#[test]
fn a_strangers_chat_has_no_marker() {
    for text in ["hello from alice", "", "a-b-c-d-e-f-g|h", "so-called", "-", "sr2", "sr1", "ü-1-2-3-4-5-6|x"] {
        assert_eq!(Marker::decode(SENDER, text), Decoded::None, "{text}");
    }
}

#[test]
fn the_head_of_a_marker_stands_in_its_text() {
    let text = marker(3).encode(SENDER, "hello");
    assert!(text.starts_with(&marker(3).head(true)) && marker(3).head(true).starts_with(&marker(3).head(false)));
}

#[test]
fn a_marker_holds_only_characters_that_a_sanitiser_keeps() {
    let full = Marker {
        run: RunTag(u32::MAX),
        room: RoomTag(u32::MAX),
        generator: GeneratorTag(u32::MAX),
        seq: SEQ_LIMIT - 1,
        intended_micros: u64::MAX,
    };
    let text = full.encode(SENDER, "");
    assert!(text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'|'), "{text}");
    assert!(text.len() <= 72, "{text}");
    assert_eq!(Marker::decode(SENDER, &text), Decoded::Intact(full));
}

#[test]
fn a_quote_by_another_sender_does_not_fit_but_can_be_read() {
    let text = marker(3).encode(SENDER, "hello");
    assert_eq!(Marker::decode(SenderId::number(7), &text), Decoded::Corrupt(Some(marker(3))));
    assert_eq!(Marker::decode(SENDER, &format!("look: {text}")), Decoded::Corrupt(Some(marker(3))));
    assert_eq!(Marker::decode_fragment(&format!("{{\"message\": \"{text}")), Decoded::Corrupt(Some(marker(3))));
    assert_eq!(Marker::decode_fragment("{\"message\": \"hello"), Decoded::None);
}

#[test]
fn a_marker_of_version_0_1_is_foreign() {
    // As version 0.1 wrote it for user 6.
    let former = "sr1-1z141wg-7-3-hcumlsa-1mr04bt|hello";
    let fields = whole::<4>(SENDER, FORMER_PREFIX, former.strip_prefix(FORMER_PREFIX).unwrap().as_bytes());
    assert_eq!(fields, Some([4_294_967_200, 7, 3, 37_782_336_970]));
    for text in [former, "sr1-", "sr1-x|hello", "sr1-1-2-3-4-5|x"] {
        assert_eq!(Marker::decode(SENDER, text), Decoded::Foreign, "{text}");
    }
}

#[test]
fn what_is_left_of_a_damaged_marker_is_read() {
    let text = marker(1_234).encode(SENDER, "hello");
    let fields: Vec<&str> = text.split('-').collect();
    let damaged = |nth: usize, to: &str| {
        let mut fields = fields.clone();
        fields[nth] = to;
        Marker::decode(SENDER, &fields.join("-"))
    };
    let without_time = Marker { intended_micros: 0, ..marker(1_234) };
    assert_eq!(damaged(0, "xr2"), Decoded::Corrupt(Some(marker(1_234))), "the prefix");
    assert_eq!(damaged(0, "sr1"), Decoded::Corrupt(Some(marker(1_234))), "the prefix, to another one");
    for to in ["?", "", "0a", "zzzzzzzzzzzzzz"] {
        assert_eq!(damaged(1, to), Decoded::Corrupt(None), "run: {to}");
    }
    for (nth, to) in [(2, ""), (3, "0a"), (4, "zzzzzzzzzzzzzz"), (4, "A")] {
        assert_eq!(damaged(nth, to), Decoded::Torn(marker(1_234).run), "field {nth}: {to}");
    }
    assert_eq!(damaged(5, "!"), Decoded::Corrupt(Some(without_time)));
    assert_eq!(damaged(6, "1|hello"), Decoded::Corrupt(Some(marker(1_234))));
    assert_eq!(Marker::decode(SENDER, "sr2-1-2-3-4"), Decoded::Torn(RunTag(1)), "a number that may be cut off");
    assert_eq!(Marker::decode(SENDER, "sr2-1"), Decoded::Corrupt(None), "a run that may be cut off");
    assert!(matches!(Marker::decode(SENDER, "sr2-1-2-3-4-"), Decoded::Corrupt(Some(_))));
}

proptest! {
    #[test]
    fn what_was_stamped_is_sighted(seq in 0..SEQ_LIMIT, user: u64, text in "[a-zA-Z0-9 :_|-]{0,400}") {
        let from = SenderId::number(user);
        let stamped = marker(seq).encode(from, &text);
        prop_assert_eq!(Marker::decode(from, &stamped), Decoded::Intact(marker(seq)));
    }

    #[test]
    fn any_changed_byte_is_noticed(seq in 0..SEQ_LIMIT, user: u64, at: prop::sample::Index, to in "[ -~]") {
        let from = SenderId::number(user);
        let stamped = marker(seq).encode(from, "the quick brown fox");
        let at = at.index(stamped.len());
        let mut damaged = stamped.clone();
        damaged.replace_range(at..=at, &to);
        prop_assume!(damaged != stamped);
        let decoded = Marker::decode(from, &damaged);
        prop_assert!(matches!(decoded, Decoded::Corrupt(_) | Decoded::Torn(_)), "{decoded:?}");
        if at < PREFIX.len() || at > stamped.find('|').unwrap() {
            prop_assert_eq!(decoded, Decoded::Corrupt(Some(marker(seq))));
        }
    }

    #[test]
    fn arbitrary_text_never_panics(user: u64, text in "\\PC*") {
        for text in [text.clone(), format!("{PREFIX}{text}"), format!("{FORMER_PREFIX}{text}"), format!("x-{text}")] {
            let _ = Marker::decode(SenderId::number(user), &text);
            let _ = Marker::decode_fragment(&text);
        }
    }
}
