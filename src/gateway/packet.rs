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

/// The name of the event that tells the library that something waits for a client which polls. No client is sent it.
pub const MARKER: &str = "\u{1}";

pub fn is_marker(packet: &[u8]) -> bool {
    packet.starts_with(br#"42["\u0001""#)
}

/// If the packet opens a session: the session's name, and the packet as it says that clients are pinged so often.
pub fn opened(packet: &[u8], pinged: Duration) -> Option<(Sid, Bytes)> {
    let open: Map<String, Value> = serde_json::from_slice(packet.strip_prefix(b"0")?).ok()?;
    let sid = open.get("sid")?.as_str()?.parse().ok()?;
    let (head, tail) = str::from_utf8(packet).ok()?.split_once(PING_INTERVAL)?;
    let tail = tail.trim_start_matches(|digit: char| digit.is_ascii_digit());
    Some((sid, format!("{head}{PING_INTERVAL}{}{tail}", pinged.as_millis()).into()))
}

const PING_INTERVAL: &str = "\"pingInterval\":";

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
        assert_eq!(opened(packet.as_bytes(), second), Some((sid, Bytes::from(often))));
        for packet in ["", "0", "0{}", r#"{"code":0}"#, r#"0{"sid":"x"}"#] {
            assert_eq!(opened(packet.as_bytes(), second), None, "{packet}");
        }
    }

    #[test]
    fn the_reply_to_connect_names_the_session() {
        let reply = br#"40{"sid":"x"}"#;
        assert!(is_connect_reply(reply) && !is_connect_reply(br#"40/admin,{"sid":"x"}"#));
        assert_eq!(with_session(reply, "p").as_deref(), Some(br#"40{"sid":"x","pid":"p"}"#.as_slice()));
    }

    #[test]
    fn the_marker_is_known_as_the_library_writes_it() {
        let written = serde_json::json!([MARKER, null]).to_string();
        assert!(is_marker(format!("42{written}").as_bytes()) && !is_marker(br#"42["u0001"]"#));
    }
}
