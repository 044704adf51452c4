//! What the pieces of the receiving path and of the schedule cost: `cargo bench --bench pieces`.
//!
//! `pieces count PIECE N` does a piece N times and nothing else, for a counter of instructions:
//! `benches/budget.sh` runs it under callgrind and holds the differences to `budgets.txt`.

#![allow(clippy::cast_possible_truncation, clippy::print_stdout, missing_docs, unreachable_pub)]

mod path;

use divan::Bencher;
use divan::counter::ItemsCount;

use path::{Desks, Room, USERS, list};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["count", piece, times] => count(piece, times.parse()?),
        _ => {
            divan::main();
            Ok(())
        }
    }
}

/// Does a piece so many times; what is done per time is said in `budgets.txt`.
fn count(piece: &str, times: usize) -> Outcome<()> {
    let mut room = Room::new()?;
    match piece {
        "delivery" => {
            for _ in 0..times {
                let chat = room.chats(1);
                room.deliver(&chat);
                room.sweep();
            }
            assert_eq!(room.came(), times as u64 * u64::from(USERS), "every delivery has its verdict");
        }
        "batch" => {
            for _ in 0..times {
                let chats = room.chats(16);
                room.deliver(&chats);
            }
            assert_eq!(room.came(), times as u64 * 16 * u64::from(USERS), "every delivery has its verdict");
        }
        "list" => {
            let list = list();
            (0..times).for_each(|_| room.deliver(&list));
        }
        "tick" => {
            let mut slots = Desks::new();
            (0..times).for_each(|_| slots.tick());
        }
        unknown => return Err(format!("no piece {unknown:?}; there are delivery, batch, list, tick").into()),
    }
    Ok(())
}

/// A chat to a hundred users, each in a read of its own: frame, marker, verdict, histograms, metrics.
#[divan::bench]
fn delivery(bencher: Bencher<'_, '_>) {
    let Ok(mut room) = Room::new() else { return };
    bencher.counter(ItemsCount::new(USERS)).bench_local(|| {
        let chat = room.chats(1);
        room.deliver(&chat);
        room.sweep();
    });
}

/// Sixteen chats in a read, to a hundred users.
#[divan::bench]
fn batch(bencher: Bencher<'_, '_>) {
    let Ok(mut room) = Room::new() else { return };
    bencher.counter(ItemsCount::new(16 * USERS)).bench_local(|| {
        let chats = room.chats(16);
        room.deliver(&chats);
        room.sweep();
    });
}

/// A member list of 200 kB to a hundred users.
#[divan::bench]
fn lists(bencher: Bencher<'_, '_>) {
    let Ok(mut room) = Room::new() else { return };
    let list = list();
    bencher.counter(ItemsCount::new(USERS)).bench_local(|| room.deliver(&list));
}

/// An intent, from the timetable to a user's slot.
#[divan::bench]
fn tick(bencher: Bencher<'_, '_>) {
    let mut slots = Desks::new();
    bencher.bench_local(|| slots.tick());
}
