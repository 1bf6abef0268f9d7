use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::task::TaskTracker;

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What one socket has asked for and is not done: in one lane one after the other, as it was asked for; lanes side by side.
pub struct Order {
    /// How many jobs may wait or be under way.
    most: usize,
    lanes: Mutex<Lanes>,
}

#[derive(Default)]
struct Lanes {
    count: usize,
    /// Those in which something is under way, each with what waits behind it.
    waiting: HashMap<String, VecDeque<Job>>,
}

impl Order {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Order { most, lanes: Mutex::default() })
    }

    /// Whether another job would be one too many.
    pub fn is_full(&self) -> bool {
        self.lanes().count >= self.most
    }

    /// Has a job done after those that were put into its lane before.
    pub fn put(self: &Arc<Self>, lane: String, tracker: &TaskTracker, job: impl Future<Output = ()> + Send + 'static) {
        let mut lanes = self.lanes();
        lanes.count += 1;
        let job: Job = Box::pin(job);
        match lanes.waiting.get_mut(&lane) {
            Some(waiting) => waiting.push_back(job),
            None => {
                lanes.waiting.insert(lane.clone(), VecDeque::new());
                tracker.spawn(Arc::clone(self).drive(lane, job));
            }
        }
    }

    /// Nobody waits any more: what has not begun is dropped.
    pub fn clear(&self) {
        let mut lanes = self.lanes();
        let dropped: usize = lanes.waiting.values_mut().map(|waiting| std::mem::take(waiting).len()).sum();
        lanes.count -= dropped;
    }

    async fn drive(self: Arc<Self>, lane: String, first: Job) {
        let mut next = Some(first);
        while let Some(job) = next {
            job.await;
            next = self.next(&lane);
        }
    }

    fn next(&self, lane: &str) -> Option<Job> {
        let mut lanes = self.lanes();
        lanes.count -= 1;
        let next = lanes.waiting.get_mut(lane).and_then(VecDeque::pop_front);
        if next.is_none() {
            lanes.waiting.remove(lane);
        }
        next
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::{mpsc, oneshot};

    use super::*;

    #[tokio::test]
    async fn a_lane_keeps_its_order_and_no_other_waits_for_it() {
        let (order, tracker) = (Order::new(10), TaskTracker::new());
        let (said, mut heard) = mpsc::unbounded_channel();
        let (open, gate) = oneshot::channel::<()>();
        let say = |what: &'static str, said: mpsc::UnboundedSender<&'static str>| async move {
            said.send(what).expect("somebody listens")
        };
        let first = say("a1", said.clone());
        order.put("a".into(), &tracker, async {
            drop(gate.await);
            first.await
        });
        order.put("a".into(), &tracker, say("a2", said.clone()));
        order.put("b".into(), &tracker, say("b", said.clone()));
        assert_eq!(heard.recv().await, Some("b"));
        open.send(()).expect("it waits");
        assert_eq!((heard.recv().await, heard.recv().await), (Some("a1"), Some("a2")));
        tracker.close();
        tracker.wait().await;
        assert!(order.lanes().waiting.is_empty() && order.lanes().count == 0, "a lane outlives its jobs");
    }

    #[tokio::test]
    async fn what_has_no_place_is_refused_and_what_waits_can_be_dropped() {
        let (order, tracker) = (Order::new(3), TaskTracker::new());
        let (done, finished) = oneshot::channel();
        let (open, gate) = oneshot::channel::<()>();
        order.put("a".into(), &tracker, async {
            drop(gate.await);
            done.send(()).expect("somebody waits")
        });
        for _ in 0..2 {
            order.put("a".into(), &tracker, async { panic!("it was dropped") });
        }
        assert!(order.is_full());
        order.clear();
        assert!(!order.is_full());
        order.put("b".into(), &tracker, async {});
        open.send(()).expect("it waits");
        finished.await.expect("what has begun is finished");
        tracker.close();
        tracker.wait().await;
        assert_eq!(order.lanes().count, 0);
    }
}
