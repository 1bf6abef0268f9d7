use std::{num::NonZeroU32, time::Duration};

use clap::Args;

use super::values::{parse_count, parse_duration};
use crate::{gateway, hub};

/// What no socket, user or room may exceed.
#[derive(Args, Clone)]
pub struct LimitArgs {
    /// How many users a room takes; 0: any number
    #[arg(long = "max-room-users", env = "WALCAST_MAX_ROOM_USERS", default_value = "0", value_name = "USERS")]
    pub room_users: u32,
    /// How many rooms a socket may be in, tables that it follows included; 0: any number
    #[arg(long = "max-rooms", env = "WALCAST_MAX_ROOMS", default_value = "1000", value_name = "ROOMS")]
    pub rooms: u32,
    /// How many sockets a user may have; 0: any number
    #[arg(long = "max-user-sockets", env = "WALCAST_MAX_USER_SOCKETS", default_value = "0", value_name = "SOCKETS")]
    pub user_sockets: u32,
    /// How many events a socket may send in a second; who goes on sending twice as many is disconnected
    #[arg(long, env = "WALCAST_RATE_LIMIT", default_value = "100/s", value_parser = parse_rate, value_name = "EVENTS/s")]
    pub rate_limit: NonZeroU32,
    /// How many events a socket may send at once, after a pause
    #[arg(long, env = "WALCAST_RATE_BURST", default_value = "200", value_name = "EVENTS")]
    pub rate_burst: NonZeroU32,
    /// How deep the JSON of a payload may nest
    #[arg(long, env = "WALCAST_MAX_DEPTH", default_value = "64", value_parser = parse_count, value_name = "LEVELS")]
    pub max_depth: u32,
    /// How long typing, cursors, states and who comes and goes are gathered before they are told (ms, s, m, h, d)
    #[arg(long = "ephemeral-tick", env = "WALCAST_EPHEMERAL_TICK", default_value = "50ms", value_parser = parse_duration,
          value_name = "TIME")]
    pub tick: Duration,
    /// How many of the users in a room are named to who comes in, if all fit into 512 bytes for each of so many
    #[arg(long, env = "WALCAST_ROSTER", default_value = "250", value_parser = parse_count, value_name = "USERS")]
    pub roster: u32,
}

impl LimitArgs {
    pub fn hub(&self) -> hub::Limits {
        hub::Limits {
            users_of_a_room: self.room_users as usize,
            rooms_of_a_socket: self.rooms as usize,
            sockets_of_a_user: self.user_sockets as usize,
        }
    }

    pub fn rate(&self) -> gateway::Rate {
        gateway::Rate { per_second: self.rate_limit, burst: self.rate_burst }
    }
}

/// `100/s`.
fn parse_rate(text: &str) -> Result<NonZeroU32, String> {
    let text = text.trim();
    let number = text.strip_suffix("/s").unwrap_or(text).trim_end();
    number.parse().map_err(|_| "give a whole number above 0 for each second, as in 100/s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_so_many_in_a_second() {
        assert_eq!(parse_rate("100/s").map(NonZeroU32::get), Ok(100));
        assert_eq!(parse_rate("7").map(NonZeroU32::get), Ok(7));
        for text in ["", "0/s", "1/m", "-1/s", "1.5/s", "9999999999/s"] {
            assert!(parse_rate(text).is_err(), "{text:?} was taken");
        }
    }
}
