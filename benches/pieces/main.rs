//! The cost of the pieces of the receiving path and of the schedule: `cargo bench --bench pieces`.
//! `examples/count` counts their instructions.

#![allow(clippy::cast_possible_truncation, missing_docs, unreachable_pub, dead_code)]

mod path;

use divan::Bencher;
use divan::counter::ItemsCount;

use path::{Desks, FullRoom, USERS, list};

fn main() {
    divan::main();
}

/// A chat to a hundred users, each in a read of its own: frame, marker, verdict, histograms, metrics.
#[divan::bench]
fn delivery(bencher: Bencher<'_, '_>) {
    let Ok(mut room) = FullRoom::new() else { return };
    bencher.counter(ItemsCount::new(USERS)).bench_local(|| {
        let chat = room.chats(1);
        room.deliver(&chat);
        room.sweep();
    });
}

/// Sixteen chats in a read, to a hundred users.
#[divan::bench]
fn batch(bencher: Bencher<'_, '_>) {
    let Ok(mut room) = FullRoom::new() else { return };
    bencher.counter(ItemsCount::new(16 * USERS)).bench_local(|| {
        let chats = room.chats(16);
        room.deliver(&chats);
        room.sweep();
    });
}

/// A member list of 200 kB to a hundred users.
#[divan::bench]
fn lists(bencher: Bencher<'_, '_>) {
    let Ok(mut room) = FullRoom::new() else { return };
    let list = list();
    bencher.counter(ItemsCount::new(USERS)).bench_local(|| room.deliver(&list));
}

/// An intent, from the timetable to a user's slot.
#[divan::bench]
fn tick(bencher: Bencher<'_, '_>) {
    let mut slots = Desks::new();
    bencher.bench_local(|| slots.tick());
}
