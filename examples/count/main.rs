//! Runs one piece of the receiving path or of the schedule N times and nothing else, for a counter of
//! instructions: `benches/budget.sh` runs `count PIECE N` under callgrind and holds the differences to
//! `budgets.txt`.
//!
//! An example, not a bench: cargo builds the binary `soakrig` with each bench, and this is built with
//! another optimisation than the binary that tests run beside it.

#![allow(clippy::cast_possible_truncation, missing_docs, unreachable_pub, dead_code)]

#[path = "../../benches/pieces/file.rs"]
mod file;
#[path = "../../benches/pieces/path.rs"]
mod path;

use path::{Desks, FullRoom, USERS, list};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [piece, times] => count(piece, times.parse()?),
        _ => Err("usage: count PIECE TIMES".into()),
    }
}

/// Does a piece this many times; `budgets.txt` says what each time does.
fn count(piece: &str, times: usize) -> Outcome<()> {
    let mut room = match piece {
        "rooms" => FullRoom::of(1_000, 10),
        "room_of_10" => FullRoom::of(1, 10),
        _ => FullRoom::new(),
    }?;
    match piece {
        "file_same" => file_driver(&file::SAME, times)?,
        "file_differs" => file_driver(&file::DIFFERS, times)?,
        "file_regex" => file_driver(&file::REGEX, times)?,
        "file_xml" => file_driver(&file::XML, times)?,
        "delivery" => {
            for _ in 0..times {
                let chat = room.chats(1);
                room.deliver(&chat);
                room.sweep();
            }
            assert_eq!(room.came(), times as u64 * u64::from(USERS), "every delivery has its verdict");
        }
        "rooms" | "room_of_10" => {
            for _ in 0..times {
                let chat = room.chats(1);
                room.deliver(&chat);
                room.next_room();
            }
            assert_eq!(room.came(), times as u64 * 10, "every delivery has its verdict");
        }
        "batch" => {
            for _ in 0..times {
                let chats = room.chats(16);
                room.deliver(&chats);
            }
            assert_eq!(room.came(), times as u64 * 16 * u64::from(USERS), "every delivery has its verdict");
        }
        "inflated" => {
            room = room.compressed();
            for _ in 0..times {
                let chat = room.chats(1);
                room.deliver(&chat);
                room.sweep();
            }
            assert_eq!(room.came(), times as u64 * u64::from(USERS), "every delivery has its verdict");
        }
        "list" => {
            let list = list();
            (0..times).for_each(|_| room.deliver(&list));
        }
        "tick" => {
            let mut slots = Desks::new();
            (0..times).for_each(|_| slots.tick());
        }
        unknown => {
            let known = "delivery, batch, inflated, list, tick, rooms, room_of_10, file_same, file_differs, file_regex, file_xml";
            return Err(format!("no piece {unknown:?}; there are {known}").into());
        }
    }
    Ok(())
}

/// A message of the file driver, this many times.
fn file_driver(kind: &file::Kind, times: usize) -> Outcome<()> {
    let mut room = file::room(kind)?;
    (0..times).for_each(|_| file::deliver(&mut room, kind));
    assert_eq!(room.came(), times as u64 * u64::from(USERS), "every delivery has its verdict");
    Ok(())
}
