//! Packets of the Socket.IO protocol (version 5) over Engine.IO, as text: those that walcast writes itself, and those of the
//! library's that it must know on sight.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value};
use socketioxide::socket::Sid;

use super::websocket::frame;
use crate::events::write_string;

/// An event with its payload, and behind it the offset that it leaves its receiver at: stock clients keep the last text
/// that ends an event, and come back with it.
pub fn event(event: &str, payload: &str, offset: Option<&str>) -> Bytes {
    let mut name = String::with_capacity(event.len() + 2);
    write_string(&mut name, event);
    match offset {
        Some(offset) => {
            let pieces = [b"42[", name.as_bytes(), b",", payload.as_bytes(), b",\"", offset.as_bytes(), b"\"]"];
            frame::text(&pieces)
        }
        None => frame::text(&[b"42[", name.as_bytes(), b",", payload.as_bytes(), b"]"]),
    }
}

/// The same for clients that do not come back by themselves.
pub fn event_without_offset(name: &str, payload: &str, _: Option<&str>) -> Bytes {
    event(name, payload, None)
}

/// The same event for a client that takes no offset: the last text of the packet is left out.
pub fn without_offset(event: &Bytes) -> Bytes {
    let text = frame::payload(event);
    // An offset holds no quote, and a payload ends with a brace.
    let cut = text.strip_suffix(b"\"]").and_then(|text| Some((text, text.iter().rposition(|byte| *byte == b'"')?)));
    match cut.and_then(|(text, quote)| text.get(..quote)?.strip_suffix(b",")) {
        Some(event) => frame::text(&[event, b"]"]),
        None => event.clone(),
    }
}

/// The answer to a request.
pub fn ack(id: i64, body: &str) -> Bytes {
    frame::text(&[b"43", id.to_string().as_bytes(), b"[", body.as_bytes(), b"]"])
}

/// What separates packets in the body of a poll.
pub const SEPARATOR: u8 = 0x1e;
/// The session ends.
pub const CLOSE: &str = "1";
/// Whether the other side is there, and that it is.
pub const PING: &str = "2";
pub const PONG: &str = "3";
/// The packet that says nothing.
pub const NOOP: &str = "6";
/// How a client goes over from polling to a WebSocket: it tries that out, and goes.
pub const PROBE: &str = "2probe";
pub const PROBED: &[u8] = b"3probe";
pub const UPGRADE: &str = "5";

/// The packets in the body of a poll.
pub fn split(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|byte| *byte == SEPARATOR).filter(|packet| !packet.is_empty())
}

/// If the packet opens a session: the session's name, and the packet as its client is to read it, who is pinged so often and
/// may go over to a WebSocket if it polls.
pub fn opened(packet: &[u8], pinged: Duration, polls: bool) -> Option<(Sid, Bytes)> {
    let open: Map<String, Value> = serde_json::from_slice(packet.strip_prefix(b"0")?).ok()?;
    let sid = open.get("sid")?.as_str()?.parse().ok()?;
    let (head, tail) = str::from_utf8(packet).ok()?.split_once(PING_INTERVAL)?;
    let tail = tail.trim_start_matches(|digit: char| digit.is_ascii_digit());
    let open = format!("{head}{PING_INTERVAL}{}{tail}", pinged.as_millis());
    Some((sid, if polls { open } else { open.replace(UPGRADES, NO_UPGRADES) }.into()))
}

const PING_INTERVAL: &str = "\"pingInterval\":";
const UPGRADES: &str = r#""upgrades":["websocket"]"#;
const NO_UPGRADES: &str = r#""upgrades":[]"#;

/// Whether the packet is the library's reply to a client that entered the main namespace.
pub fn is_connect_reply(packet: &[u8]) -> bool {
    packet.starts_with(b"40{")
}

/// The reply with the name of the session, which a stock client gives back when it comes back. `None` where it has no place
/// for one.
pub fn with_session(reply: &[u8], session: &str) -> Option<Bytes> {
    let open = reply.strip_suffix(b"}")?;
    Some(Bytes::from([open, br#","pid":""#, session.as_bytes(), br#""}"#].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(packet: Bytes) -> String {
        String::from_utf8_lossy(&frame::payload(&packet)).into_owned()
    }

    #[test]
    fn an_event_is_its_name_its_payload_and_perhaps_its_offset() {
        assert_eq!(text(event("a:b", "{}", None)), r#"42["a:b",{}]"#);
        assert_eq!(text(event("a:b", "{}", Some("e/1-2"))), r#"42["a:b",{},"e/1-2"]"#);
        assert_eq!(text(event_without_offset("a:b", "{}", Some("e/1-2"))), r#"42["a:b",{}]"#);
        let told = event("a:b", r#"{"c":"d,\"e"}"#, Some("e/1-2"));
        assert_eq!(text(without_offset(&told)), r#"42["a:b",{"c":"d,\"e"}]"#);
        let plain = event("a:b", r#"{"c":"d"}"#, None);
        assert_eq!(without_offset(&plain), plain);
        assert_eq!(text(event("a\"b", "{}", None)), r#"42["a\"b",{}]"#, "a table's name may hold a quote");
        assert_eq!(text(ack(7, r#"{"ok":true}"#)), r#"437[{"ok":true}]"#);
    }

    #[test]
    fn the_open_packet_names_the_session() {
        let sid = Sid::new();
        let second = Duration::from_secs(1);
        let packet = format!(r#"0{{"sid":"{sid}","upgrades":["websocket"],"pingInterval":25000}}"#);
        let often = packet.replace("25000", "1000");
        let over = often.replace(r#"["websocket"]"#, "[]");
        assert_eq!(opened(packet.as_bytes(), second, true), Some((sid, Bytes::from(often))));
        assert_eq!(opened(packet.as_bytes(), second, false), Some((sid, Bytes::from(over))));
        for packet in ["", "0", "0{}", r#"{"code":0}"#, r#"0{"sid":"x"}"#] {
            assert_eq!(opened(packet.as_bytes(), second, true), None, "{packet}");
        }
    }

    #[test]
    fn the_reply_to_connect_names_the_session() {
        let reply = br#"40{"sid":"x"}"#;
        assert!(is_connect_reply(reply) && !is_connect_reply(br#"40/admin,{"sid":"x"}"#));
        assert_eq!(with_session(reply, "p").as_deref(), Some(br#"40{"sid":"x","pid":"p"}"#.as_slice()));
    }
}
