use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    extract::{ConnectInfo, Request},
    http::{Extensions, StatusCode},
    response::{IntoResponse, Response},
};

use super::connection::Cut;

/// Which connection carries which session, so that a socket can be sent away whatever state its transport is in. Cheap to
/// clone.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    websockets: HashMap<String, Cut>,
    gone: Gone,
}

/// The sessions that were sent away lately: a polling client has no connection to cut, so its next request is refused.
#[derive(Default)]
struct Gone {
    sids: HashSet<String>,
    order: VecDeque<String>,
}

/// A session that was sent away dies of its heartbeat within a minute or so; this many may be dying.
const REMEMBERED: usize = 20_000;

impl Connections {
    /// Looks at a request for Socket.IO on its way in: notes the connection of a WebSocket, and refuses a session that was
    /// sent away, as the library refuses one it does not know. Clients then connect anew.
    pub fn refusal(&self, request: &Request) -> Option<Response> {
        let sid = query(request, "sid")?;
        let mut state = self.state();
        if state.gone.sids.contains(sid) {
            return Some((StatusCode::BAD_REQUEST, r#"{"code":"1","message":"Session ID unknown"}"#).into_response());
        }
        if query(request, "transport") == Some("websocket")
            && let Some(ConnectInfo(cut)) = request.extensions().get::<ConnectInfo<Cut>>()
        {
            state.websockets.insert(sid.to_owned(), cut.clone());
        }
        None
    }

    /// A session begins over the connection that its handshake came by, if that is a WebSocket.
    pub(super) fn opened(&self, sid: &str, is_websocket: bool, extensions: &Extensions) {
        if let Some(ConnectInfo(cut)) = extensions.get::<ConnectInfo<Cut>>().filter(|_| is_websocket) {
            self.state().websockets.insert(sid.to_owned(), cut.clone());
        }
    }

    /// The session has ended by itself.
    pub(super) fn closed(&self, sid: &str) {
        self.state().websockets.remove(sid);
    }

    /// Breaks the session off. The client sees its connection fail and reconnects.
    pub(super) fn send_away(&self, sid: &str) {
        let mut state = self.state();
        if let Some(cut) = state.websockets.remove(sid) {
            cut.cut();
        }
        state.gone.add(sid.to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gone {
    fn add(&mut self, sid: String) {
        if self.sids.insert(sid.clone()) {
            self.order.push_back(sid);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.sids.remove(&oldest);
        }
    }
}

fn query<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let pairs = request.uri().query()?.split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(query: &str) -> Request {
        let mut request = Request::default();
        *request.uri_mut() = format!("/socket.io/?{query}").parse().expect("a URI");
        request
    }

    #[test]
    fn a_session_that_was_sent_away_is_not_let_in_again() {
        let connections = Connections::default();
        assert!(connections.refusal(&request("EIO=4&transport=polling&sid=abc")).is_none());
        connections.send_away("abc");
        assert!(connections.refusal(&request("EIO=4&transport=polling&sid=abc")).is_some());
        assert!(connections.refusal(&request("EIO=4&transport=polling&sid=abd")).is_none());
        assert!(connections.refusal(&request("EIO=4&transport=polling")).is_none(), "a new handshake");
    }

    #[test]
    fn it_does_not_remember_for_ever() {
        let connections = Connections::default();
        for n in 0..=REMEMBERED {
            connections.send_away(&n.to_string());
        }
        assert!(connections.refusal(&request("sid=0")).is_none());
        assert!(connections.refusal(&request("sid=1")).is_some());
        assert_eq!(connections.state().gone.sids.len(), REMEMBERED);
    }
}
