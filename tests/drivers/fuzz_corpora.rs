//! The fuzz targets' checks on their corpora, on mutated corpora, and on arbitrary bytes.
//! `fuzz/README.md` says how to run the same checks for hours.

use std::path::Path;

use crate::fuzz_checks::{cache, frames, pages, texts};
use proptest::prelude::*;

/// Every file of a target's corpus, in order of names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "{} holds {} files", folder.display(), files.len());
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// Corpus files in which pieces are replaced by arbitrary ones and by pieces of other files.
fn mutated(target: &str) -> impl Strategy<Value = Vec<u8>> {
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
fn every_corpus_file_passes_its_check() {
    corpus("frames").iter().for_each(|data| frames::check(data));
    corpus("texts").iter().for_each(|data| texts::check_bytes(data));
    corpus("pages").iter().for_each(|data| pages::check(data));
    corpus("cache").iter().for_each(|data| {
        cache::check(data);
        cache::check_file(data);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn mutated_and_arbitrary_frames_pass(data in mutated("frames"), arbitrary in prop::collection::vec(any::<u8>(), 0..200)) {
        frames::check(&data);
        frames::check(&arbitrary);
    }

    #[test]
    fn mutated_and_arbitrary_texts_pass(data in mutated("texts"), arbitrary in "\\PC{0,200}") {
        texts::check(&String::from_utf8_lossy(&data));
        texts::check(&arbitrary);
    }

    #[test]
    fn mutated_and_arbitrary_pages_pass(data in mutated("pages"), arbitrary in prop::collection::vec(any::<u8>(), 0..400)) {
        pages::check(&data);
        pages::check(&arbitrary);
    }

    #[test]
    fn mutated_and_arbitrary_cache_files_pass(data in mutated("cache"), arbitrary in prop::collection::vec(any::<u8>(), 0..400)) {
        cache::check(&data);
        cache::check(&arbitrary);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn a_mutated_cache_file_is_used_repaired_or_refused(data in mutated("cache")) {
        cache::check_file(&data);
    }
}
