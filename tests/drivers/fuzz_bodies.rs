//! The readers of what servers and disks hold, on the fuzz targets' corpora, on these with pieces
//! exchanged, and on arbitrary bytes. `fuzz/README.md` says how the same bodies run for hours.

use std::path::Path;

use crate::readers::{cache, frames, pages, texts};
use proptest::prelude::*;

/// Every file of a target's corpus, in order of names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "{} holds {} files", folder.display(), files.len());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Files of a corpus in which pieces were exchanged for arbitrary ones and for pieces of others.
fn spoilt(target: &str) -> impl Strategy<Value = Vec<u8>> {
    let seeds = corpus(target);
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..12),
        (prop::sample::select(seeds.clone()), any::<[prop::sample::Index; 2]>()).prop_map(|(seed, ends)| {
            let mut ends = ends.map(|end| end.index(seed.len() + 1));
            ends.sort_unstable();
            seed[ends[0]..ends[1]].to_vec()
        }),
    ];
    let change = (any::<prop::sample::Index>(), 0..20_usize, piece);
    (prop::sample::select(seeds), prop::collection::vec(change, 1..5)).prop_map(|(mut bytes, changes)| {
        for (at, length, piece) in changes {
            let at = at.index(bytes.len() + 1);
            let end = (at + length).min(bytes.len());
            bytes.splice(at..end, piece);
        }
        bytes
    })
}

#[test]
fn the_corpora_hold() {
    corpus("frames").iter().for_each(|data| frames::hold(data));
    corpus("texts").iter().for_each(|data| texts::hold_bytes(data));
    corpus("pages").iter().for_each(|data| pages::hold(data));
    corpus("cache").iter().for_each(|data| {
        cache::hold(data);
        cache::open(data);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn frames_hold(data in spoilt("frames"), arbitrary in prop::collection::vec(any::<u8>(), 0..200)) {
        frames::hold(&data);
        frames::hold(&arbitrary);
    }

    #[test]
    fn texts_hold(data in spoilt("texts"), arbitrary in "\\PC{0,200}") {
        texts::hold(&String::from_utf8_lossy(&data));
        texts::hold(&arbitrary);
    }

    #[test]
    fn pages_hold(data in spoilt("pages"), arbitrary in prop::collection::vec(any::<u8>(), 0..400)) {
        pages::hold(&data);
        pages::hold(&arbitrary);
    }

    #[test]
    fn the_cache_holds(data in spoilt("cache"), arbitrary in prop::collection::vec(any::<u8>(), 0..400)) {
        cache::hold(&data);
        cache::hold(&arbitrary);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn a_spoilt_file_is_used_repaired_or_refused(data in spoilt("cache")) {
        cache::open(&data);
    }
}
