//! Rooms in words: their number, and the worst of them.

use super::page::Page;
use crate::report::numbers::{count, share};
use crate::report::rooms::{RoomDeliveries, Rooms};

/// Number of rooms that are named.
const SHOWN: usize = 5;

/// Rows for rooms with losses, late deliveries or messages of other rooms; none without numbered rooms.
pub(super) fn worst(page: &mut Page, rooms: Option<&Rooms>) {
    let Some(Rooms { count: all, worst }) = rooms else { return };
    if worst.is_empty() {
        return page.row("rooms", &format!("{}, none with lost or late deliveries", count(*all)));
    }
    page.row("rooms", &format!("{}; the worst of them:", count(*all)));
    for RoomDeliveries { room, expected, late, lost, leaked, .. } in worst.iter().take(SHOWN) {
        let mut text = format!(
            "  {room}: of {} lost {}, late {}",
            count(*expected),
            with_share(*lost, *expected),
            with_share(*late, *expected)
        );
        if *leaked > 0 {
            text.push_str(&format!("; {} of other rooms arrived", count(*leaked)));
        }
        page.line(&text);
    }
    if worst.len() > SHOWN {
        page.line("  …");
    }
}

fn with_share(n: u64, of: u64) -> String {
    if n == 0 { count(n) } else { format!("{} ({})", count(n), share(n, of)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_rooms_are_named_with_what_went_wrong() {
        let room = |n: u64| RoomDeliveries {
            room: format!("event-{n}"),
            expected: 200,
            on_time: 200 - n,
            lost: n,
            leaked: n / 7 * 3,
            ..RoomDeliveries::default()
        };
        let mut page = Page::default();
        worst(&mut page, Some(&Rooms::of(1_000, (0..8).map(room))));
        let lines: Vec<&str> = page.0.lines().collect();
        assert_eq!(lines[0], "rooms              1,000; the worst of them:");
        assert_eq!(lines[1], "  event-7: of 200 lost 7 (3.5 %), late 0; 3 of other rooms arrived");
        assert_eq!(lines[5], "  event-3: of 200 lost 3 (1.5 %), late 0");
        assert_eq!(lines[6..], ["  …"]);
        let mut page = Page::default();
        worst(&mut page, Some(&Rooms::of(1_000, [])));
        assert_eq!(page.0, "rooms              1,000, none with lost or late deliveries\n");
    }
}
