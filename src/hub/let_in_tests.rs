use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use crate::{
    change::Lsn,
    events::{Epoch, Offset, Room},
    hub::{
        Batch, Dispatcher, Frames, Hub, Limits, Member, Outbox, OutboxClosed, Position, Reports, Retention, Settings,
        User, sight::tests::Nobody,
    },
};

struct Door(Arc<AtomicBool>);

impl Outbox for Door {
    fn send(&self, _: Frames<'_>) -> Result<(), OutboxClosed> {
        Ok(())
    }
    fn replay(&self, _: Frames<'_>) -> Result<(), OutboxClosed> {
        Ok(())
    }
    fn close(&self, _: &'static str) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Connects a socket; whether it was sent away at once.
async fn is_sent_away(hub: &Hub) -> bool {
    let closed = Arc::<AtomicBool>::default();
    let user = User { id: "ann".into(), email: None };
    let member = Member { user, claims: "{}".into(), recovers: true, outbox: Arc::new(Door(closed.clone())) };
    let (answer, answered) = tokio::sync::oneshot::channel();
    hub.connect(member, Room::user("ann"), None, Box::new(|entered| drop(answer.send(entered))));
    let refused = answered.await.expect("answers").is_err();
    assert_eq!(refused, closed.load(Ordering::Relaxed), "who is refused is sent away");
    refused
}

#[tokio::test]
async fn who_was_let_in_just_before_another_server_streams_is_sent_there() {
    let retention = Retention { window: Duration::from_secs(60), bytes: 1 << 20 };
    let encode = |_: &str, _: &str, _: Option<&str>| bytes::Bytes::new();
    let settings = Settings {
        retention,
        room_cap: 10,
        replay_bytes: 1 << 20,
        recovery: true,
        tick: Duration::ZERO,
        roster: 1,
        limits: Limits::default(),
        encode,
    };
    let reports = Reports { begun: Box::new(|| {}), handed_on: Box::new(|_| {}), keep_from: Box::new(|_| {}) };
    let (hub, dispatcher) = Dispatcher::new(settings, reports, Arc::new(Nobody));
    tokio::spawn(dispatcher.run(CancellationToken::new()));
    let begin = || Batch::Begin(Position { epoch: Epoch::new("e"), offset: Offset::before(Lsn(1)) });
    for (batch, sent_away) in [(begin(), false), (Batch::Standby, true), (begin(), false)] {
        hub.dispatch(batch).await.expect("the dispatcher lives");
        hub.dispatched().await.expect("the dispatcher lives");
        assert_eq!(is_sent_away(&hub).await, sent_away);
    }
}
