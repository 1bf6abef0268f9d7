//! A client that subscribes and then never reads again.

use std::{io, net::SocketAddr};

use serde_json::json;

use crate::{truth::Ids, wire::Wire};

/// Holds its connection until dropped.
pub struct Stuck {
    _wire: Wire,
}

impl Stuck {
    pub async fn connect(server: SocketAddr, rooms: &[Ids]) -> io::Result<Stuck> {
        // So little that the server notices soon.
        let mut wire = Wire::connect(server, "stuck", Some(4 << 10)).await?;
        for (number, ids) in (0..).zip(rooms) {
            wire.request(number, "component:subscribe", &json!(ids)).await?;
        }
        Ok(Stuck { _wire: wire })
    }
}
