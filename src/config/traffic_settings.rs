//! Options of the load: rooms, rates, messages.

use crate::model::{Alphabet, Pacing};

use super::layered::layered;
use super::value::{Chattiness, DurationRange, MessageSize, Rate, RoomCount, RoomNumber, Speakers, Switch};

layered! {
    /// Which rooms they are in.
    #[command(next_help_heading = "Users")]
    pub struct RoomSettings {
        /// Divide the users among this many rooms; %s in the room's name stands for its number [default: 1]
        ///
        /// Of U users, number i (from 0) is in room M + i·N/U, rounded down, where M is --room-min.
        #[arg(long, value_name = "N")]
        pub rooms: RoomCount,
        /// Number of the first of --rooms [default: 0]
        #[arg(long, value_name = "M")]
        pub room_min: RoomNumber,
    }
}

layered! {
    /// Whether anything is done at all.
    #[command(next_help_heading = "Output")]
    pub struct DryRunSettings {
        /// Print every option, where its value came from, and the forecast; connect to nothing
        #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        pub dry_run: Switch,
    }
}

layered! {
    /// What they do.
    #[command(next_help_heading = "Traffic (a RATE is 5/s, 300/m or 2/h, for the whole run)")]
    pub struct TrafficSettings {
        /// Send no chat
        #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        pub disable_chat: Switch,
        /// Keep users from leaving the event and coming back
        #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        pub disable_event_leaving: Switch,
        /// Keep users from joining breakouts
        #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
        pub disable_breakout_joining: Switch,
        /// 0 to 10: each connected user chats N/100 times per second on average [default: 5]
        #[arg(long, value_name = "N")]
        pub chattiness: Chattiness,
        /// Rate of chats, instead of --chattiness [demo: 5/s]
        #[arg(long, value_name = "RATE")]
        pub chat_rate: Rate,
        /// Rate of users leaving [default: 0.5/s per 100 connected users]
        #[arg(long, value_name = "RATE")]
        pub leave_rate: Rate,
        /// Rate of users joining a breakout [default: 1/s per 100 connected users]
        #[arg(long, value_name = "RATE")]
        pub breakout_rate: Rate,
        /// How long a user who left stays away [default: 2s..30s]
        #[arg(long, value_name = "MIN..MAX")]
        pub away: DurationRange,
        /// How long a user stays in a breakout [default: 30s..5m]
        #[arg(long, value_name = "MIN..MAX")]
        pub breakout_stay: DurationRange,
        /// How chats, leaves and breakouts are spread over time [default: even]
        #[arg(long, value_name = "PACING")]
        pub pacing: Pacing,
        /// Only this many users chat, spread evenly over the range [default: 100%]
        ///
        /// A number or a share of the whole fleet's range; at least one in each room.
        #[arg(long, value_name = "N or P%")]
        pub speakers: Speakers,
        /// Length of a chat's text behind its marker, in bytes [default: 3 to 30 words]
        #[arg(long, value_name = "MIN..MAX")]
        pub message_size: MessageSize,
        /// Characters of the chats [default: ascii]
        #[arg(long, value_name = "ALPHABET")]
        pub alphabet: Alphabet,
    }
}
