use std::time::Instant;

use bytes::Bytes;

use super::{Carrier, Link, Stage};
use crate::gateway::{packet, websocket::frame};

/// What separates packets in the body of a poll (Engine.IO 4).
const SEPARATOR: u8 = 0x1e;
/// A body is not filled beyond this: the client's next poll brings the rest.
const BODY: usize = 512 << 10;
/// The packet that says nothing.
const NOOP: &[u8] = b"6";

/// The packet that asks the client whether it is there.
const PING: &[u8] = b"2";

/// The link has ended, and with it the session.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended;

/// What a poll brings: the packets of the library's answer, and behind them what waits for the client.
pub fn fill(link: &Link, answer: &[u8]) -> Result<Bytes, Ended> {
    let mut out = link.out();
    if out.stage == Stage::Ended {
        return Err(Ended);
    }
    let now = Instant::now();
    let mut body = Vec::with_capacity(answer.len());
    let mut add = |packet: &[u8]| {
        if !body.is_empty() {
            body.push(SEPARATOR);
        }
        body.extend_from_slice(packet);
        body.len()
    };
    for packet in answer.split(|byte| *byte == SEPARATOR).filter(|packet| !packet.is_empty()) {
        if packet::is_marker(packet) {
            if let Carrier::Polling { marked } = &mut out.carrier {
                *marked = false;
            }
        } else if packet::is_connect_reply(packet) {
            let named = link.open_gate(&mut out, packet);
            add(named.as_deref().unwrap_or(packet));
        } else {
            add(packet);
        }
    }
    if std::mem::take(&mut out.is_pinged) {
        add(PING);
    }
    if out.stage == Stage::Open && matches!(out.carrier, Carrier::Polling { .. }) {
        while let Some(frame) = out.held.pop(now) {
            if add(&frame::payload(&frame)) > BODY {
                break;
            }
        }
    }
    // The rest, if there is one, is for the next poll, which must not wait.
    if link.settle(&mut out).is_err() {
        return Err(Ended);
    }
    if body.is_empty() {
        body.extend_from_slice(NOOP);
    }
    Ok(body.into())
}
