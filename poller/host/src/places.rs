//! Places for connections: how many there are, and who goes when all are taken and another one
//! comes.
//!
//! Whoever has opened as many connections as there are places must not keep others out by that
//! alone. So the idlest gives way: the one without anything under way whose last sign of life is
//! the oldest, and before all others one that was never let in with anything, so that strangers do
//! not push out whom we know. Only where something is under way on all of them, the one who comes
//! is turned away.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::Instant;

/// The places of one listener.
#[derive(Clone, Debug)]
pub struct Places(Arc<Room>);

#[derive(Debug)]
struct Room {
    limit: usize,
    /// What is under way and shows no sign of life for so long does not count any more.
    patience: Option<Duration>,
    taken: Mutex<Vec<Arc<Seat>>>,
}

/// What is known of whoever has a place.
#[derive(Debug)]
pub struct Seat {
    under_way: AtomicUsize,
    /// Something was once.
    is_known: AtomicBool,
    last_sign: Mutex<Instant>,
    leave: Arc<Notify>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    seat: Arc<Seat>,
    room: Arc<Room>,
}

/// Something is under way, until it is dropped.
#[derive(Debug)]
pub struct UnderWay(Arc<Seat>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Places {
    /// So many places; what is under way on one and shows no sign of life for `patience` does not
    /// count any more.
    pub fn new(limit: usize, patience: Option<Duration>) -> Self {
        Self(Arc::new(Room {
            limit,
            patience,
            taken: Mutex::default(),
        }))
    }

    /// A place, if need be that of the idlest, who is told to leave. `None` if nobody is idle.
    pub fn take(&self) -> Option<Place> {
        let now = Instant::now();
        let mut taken = lock(&self.0.taken);
        if taken.len() >= self.0.limit {
            let idle = taken.iter().enumerate();
            let idle = idle.filter(|(_, seat)| seat.is_idle(now, self.0.patience));
            let rank = |seat: &Seat| {
                (
                    seat.is_known.load(Ordering::Relaxed),
                    *lock(&seat.last_sign),
                )
            };
            let (idlest, _) = idle.min_by_key(|(_, seat)| rank(seat))?;
            taken.swap_remove(idlest).dismiss();
        }
        let seat = Arc::new(Seat {
            under_way: AtomicUsize::new(0),
            is_known: AtomicBool::new(false),
            last_sign: Mutex::new(now),
            leave: Arc::new(Notify::new()),
        });
        taken.push(seat.clone());
        Some(Place {
            seat,
            room: self.0.clone(),
        })
    }
}

impl Place {
    /// What is known of whoever has it.
    pub fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // It is not there if another has it already.
        lock(&self.room.taken).retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}

impl Seat {
    fn is_idle(&self, now: Instant, patience: Option<Duration>) -> bool {
        let silent = || now.saturating_duration_since(*lock(&self.last_sign));
        self.under_way.load(Ordering::Relaxed) == 0
            || patience.is_some_and(|patience| silent() >= patience)
    }

    /// A sign of life.
    pub fn sign(&self) {
        *lock(&self.last_sign) = Instant::now();
    }

    /// Something begins. It must not be disturbed until it ends.
    pub fn begin(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        self.is_known.store(true, Ordering::Relaxed);
        self.sign();
        UnderWay(self.clone())
    }

    /// Tells whoever has the place to leave it, whatever is under way.
    pub fn dismiss(&self) {
        self.leave.notify_one();
    }

    /// Done when it has to leave. To be waited for by one at a time.
    pub fn dismissed(&self) -> OwnedNotified {
        self.leave.clone().notified_owned()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.sign();
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(test);
    }

    async fn is_dismissed(place: &Place) -> bool {
        let moment = Duration::from_nanos(1);
        tokio::time::timeout(moment, place.seat().dismissed())
            .await
            .is_ok()
    }

    #[test]
    fn the_idlest_gives_way_and_whoever_has_something_under_way_does_not() {
        run(async {
            let places = Places::new(3, None);
            let mut taken = Vec::new();
            for _ in 0..3 {
                taken.push(places.take().unwrap());
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            let first = taken[0].seat().begin();
            taken[1].seat().sign();
            let fourth = places.take().expect("that of the third");
            assert!(is_dismissed(&taken[2]).await);
            assert!(!is_dismissed(&taken[0]).await && !is_dismissed(&taken[1]).await);
            let _busy = [taken[1].seat().begin(), fourth.seat().begin()];
            tokio::time::advance(Duration::from_secs(86_400)).await;
            assert!(places.take().is_none(), "nobody is idle");
            drop(first);
            let _fifth = places.take().expect("that of the first").seat().begin();
            assert!(is_dismissed(&taken[0]).await);
        });
    }

    #[test]
    fn strangers_push_out_each_other_and_not_whom_we_know() {
        run(async {
            let places = Places::new(2, None);
            let known = places.take().unwrap();
            drop(known.seat().begin());
            let mut strangers = Vec::new();
            for _ in 0..3 {
                tokio::time::advance(Duration::from_secs(1)).await;
                // The second pushes out the first of them, and so on.
                strangers.push(places.take().unwrap());
            }
            assert!(!is_dismissed(&known).await);
        });
    }

    #[test]
    fn who_leaves_makes_room_and_who_was_told_to_leave_makes_none_again() {
        run(async {
            let places = Places::new(1, None);
            let first = places.take().unwrap();
            let second = places.take().unwrap();
            let busy = second.seat().begin();
            drop(first);
            assert!(places.take().is_none(), "the second is there");
            drop((busy, second));
            assert!(places.take().is_some());
        });
    }

    #[test]
    fn what_is_under_way_without_a_sign_of_life_does_not_count_for_ever() {
        run(async {
            let places = Places::new(1, Some(Duration::from_secs(1)));
            let stalled = places.take().unwrap();
            let _under_way = stalled.seat().begin();
            assert!(places.take().is_none());
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(places.take().is_some());
            assert!(is_dismissed(&stalled).await);
        });
    }
}
