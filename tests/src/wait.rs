//! Waits for facts, not for time.

use std::time::{Duration, Instant};

use futures_lite::future;
use netpoller::Poller;

use crate::{assert_timeout, unix_pair};

/// After this time a test has hung: far longer than any of them takes on a loaded machine.
pub const LIMIT: Duration = Duration::from_secs(120);

/// Waits until `fact` holds, looking again every now and then.
///
/// # Panics
///
/// If it does not hold in time.
#[track_caller]
pub fn until(what: &str, mut fact: impl FnMut() -> bool) {
    eventually(what, || fact().then_some(()));
}

/// Waits until `probe` gives something, looking again every now and then.
///
/// # Panics
///
/// If it gives nothing in time.
#[track_caller]
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    let mut pause = Duration::from_micros(100);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(began.elapsed() < LIMIT, "hangs: there never was: {what}");
        std::thread::sleep(pause);
        pause = (pause * 5 / 4).min(Duration::from_millis(10));
    }
}

/// Polls `future` once: whether it now waits, for the descriptor or for its turn.
pub async fn is_parked<F: Future + Unpin>(future: &mut F) -> bool {
    future::poll_once(future).await.is_none()
}

/// A deadline long gone.
///
/// # Panics
///
/// If the machine was started less than a second ago.
pub fn past() -> Option<Instant> {
    Some(
        Instant::now()
            .checked_sub(Duration::from_secs(1))
            .expect("a second ago"),
    )
}

/// A deadline that comes soon.
pub fn soon() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(10))
}

/// Lets time pass on `poller`, which goes on polling.
#[track_caller]
pub fn pause(poller: &Poller, time: Duration) -> impl Future<Output = ()> + use<> {
    let (clock, _peer) = unix_pair(poller);
    async move {
        clock
            .set_read_deadline(Some(Instant::now() + time))
            .expect("a deadline");
        let peer = _peer;
        assert_timeout(clock.read(&mut [0]).await);
        drop(peer);
    }
}

/// Fails if `future` ends while some time passes and everything that is ready is dispatched.
///
/// # Panics
///
/// If it ends.
pub async fn assert_blocked<F: Future + Unpin>(poller: &Poller, future: &mut F) {
    let ended = async {
        future.await;
        true
    };
    let time = async {
        pause(poller, Duration::from_millis(15)).await;
        false
    };
    assert!(
        !future::or(ended, time).await,
        "it ended although it had to wait"
    );
}
