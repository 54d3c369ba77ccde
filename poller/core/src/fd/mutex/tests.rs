use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

impl FdMutex {
    /// Leaves the lock of `direction`.
    fn unlock(&self, direction: Direction) -> Leave {
        self.try_unlock(direction)
            .unwrap_or_else(|| self.unlock_and_call(direction, &mut Panics::default()))
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Fixture {
    mutex: FdMutex,
    wakes: Arc<Wakes>,
}

impl Fixture {
    fn new() -> Self {
        Self {
            mutex: FdMutex::new(),
            wakes: Arc::default(),
        }
    }

    fn lock(&self, direction: Direction) -> Lock<'_> {
        self.mutex.lock(direction)
    }

    fn poll(&self, lock: &mut Lock<'_>) -> Poll<Result<(), Denied>> {
        Pin::new(lock).poll(&mut Context::from_waker(&Waker::from(self.wakes.clone())))
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }

    #[track_caller]
    fn locked(&self, direction: Direction) {
        assert_eq!(self.poll(&mut self.lock(direction)), Poll::Ready(Ok(())));
    }
}

const GRANTED: Poll<Result<(), Denied>> = Poll::Ready(Ok(()));

#[test]
fn readers_and_writers_do_not_exclude_each_other() {
    let fixture = Fixture::new();
    fixture.locked(Direction::Read);
    fixture.locked(Direction::Write);
    assert!(
        fixture
            .poll(&mut fixture.lock(Direction::Read))
            .is_pending()
    );
}

#[test]
fn those_who_wait_are_served_in_the_order_of_arrival_and_a_newcomer_steps_back() {
    let fixture = Fixture::new();
    fixture.locked(Direction::Read);
    let mut first = fixture.lock(Direction::Read);
    let mut second = fixture.lock(Direction::Read);
    assert!(fixture.poll(&mut first).is_pending());
    assert!(fixture.poll(&mut second).is_pending());
    assert_eq!(fixture.mutex.waiting(Direction::Read), 2);
    assert_eq!(fixture.mutex.unlock(Direction::Read), Leave::Nothing);
    assert!(
        fixture.poll(&mut second).is_pending(),
        "the first has not run"
    );
    assert_eq!(
        fixture.mutex.try_lock(Direction::Read),
        Ok(false),
        "a newcomer does not overtake at once"
    );
    let mut newcomer = fixture.lock(Direction::Read);
    assert!(fixture.poll(&mut newcomer).is_pending());
    for lock in [&mut first, &mut second, &mut newcomer] {
        assert_eq!(fixture.poll(lock), GRANTED);
        assert_eq!(fixture.mutex.unlock(Direction::Read), Leave::Nothing);
    }
    assert_eq!(fixture.mutex.try_lock(Direction::Read), Ok(true));
}

/// Of the kind of tokio#4941: a task that was woken lies in a slot that no other worker looks into,
/// while the task that woke it goes on. It was the owner of the lock from then on.
#[test]
fn issue_tokio_4941_those_who_were_called_and_do_not_run_hold_nobody_up() {
    let fixture = Fixture::new();
    fixture.locked(Direction::Read);
    let mut idle: Vec<_> = (0..3).map(|_| fixture.lock(Direction::Read)).collect();
    let mut second = fixture.lock(Direction::Read);
    for lock in idle.iter_mut().chain([&mut second]) {
        assert!(fixture.poll(lock).is_pending());
    }
    assert_eq!(fixture.mutex.unlock(Direction::Read), Leave::Nothing);
    assert_eq!(fixture.wakes(), 4, "all of them are called, and each once");
    assert!(fixture.poll(&mut second).is_pending(), "it steps back");
    assert_eq!(fixture.wakes(), 5, "and calls itself");
    assert_eq!(fixture.poll(&mut second), GRANTED);
    assert_eq!(fixture.mutex.unlock(Direction::Read), Leave::Nothing);

    let mut newcomer = fixture.lock(Direction::Read);
    assert!(fixture.poll(&mut newcomer).is_pending(), "it steps back");
    assert_eq!(fixture.poll(&mut newcomer), GRANTED);
    assert_eq!(fixture.mutex.unlock(Direction::Read), Leave::Nothing);
    assert_eq!(fixture.poll(&mut fixture.lock(Direction::Read)), GRANTED);
    assert_eq!(fixture.mutex.unlock(Direction::Read), Leave::Nothing);

    assert_eq!(
        fixture.mutex.waiting(Direction::Read),
        2,
        "they keep their place: the first one's turn, and two behind it"
    );
    for lock in &mut idle {
        assert_eq!(fixture.poll(lock), GRANTED);
        assert_eq!(fixture.mutex.unlock(Direction::Read), Leave::Nothing);
    }
}

#[test]
fn whoever_runs_and_finds_the_lock_taken_is_left_twice_as_many_polls_the_next_time() {
    let fixture = Fixture::new();
    fixture.locked(Direction::Read);
    let mut slow = fixture.lock(Direction::Read);
    assert!(fixture.poll(&mut slow).is_pending());
    for lost in 0..8 {
        assert_eq!(fixture.mutex.unlock(Direction::Read), Leave::Nothing);
        let mut quick = fixture.lock(Direction::Read);
        let polls = (0..).find(|_| fixture.poll(&mut quick).is_ready());
        assert_eq!(polls, Some(1 << lost));
        // It comes, too late.
        assert!(fixture.poll(&mut slow).is_pending());
    }
    assert_eq!(fixture.mutex.unlock(Direction::Read), Leave::Nothing);
    let mut quick = fixture.lock(Direction::Read);
    assert!(fixture.poll(&mut quick).is_pending());
    assert_eq!(fixture.poll(&mut slow), GRANTED);
}

#[test]
fn a_poll_function_does_not_wait_for_those_in_the_queue() {
    let fixture = Fixture::new();
    fixture.locked(Direction::Read);
    assert_eq!(fixture.mutex.try_lock_first(Direction::Read), Ok(false));
    let mut forgotten = fixture.lock(Direction::Read);
    assert!(fixture.poll(&mut forgotten).is_pending());
    assert_eq!(fixture.mutex.unlock(Direction::Read), Leave::Nothing);
    assert_eq!(fixture.mutex.try_lock_first(Direction::Read), Ok(true));
}

#[test]
fn a_waiter_that_gives_up_leaves_its_place() {
    let fixture = Fixture::new();
    fixture.locked(Direction::Write);
    let mut first = fixture.lock(Direction::Write);
    let mut second = fixture.lock(Direction::Write);
    let mut third = fixture.lock(Direction::Write);
    assert!(fixture.poll(&mut first).is_pending());
    assert!(fixture.poll(&mut second).is_pending());
    assert!(fixture.poll(&mut third).is_pending());
    drop(second);
    assert_eq!(fixture.mutex.unlock(Direction::Write), Leave::Nothing);
    drop(first);
    assert_eq!(fixture.poll(&mut third), GRANTED);
    assert_eq!(fixture.mutex.unlock(Direction::Write), Leave::Nothing);
    assert_eq!(fixture.mutex.try_lock(Direction::Write), Ok(true));
}

#[test]
fn those_who_were_called_and_give_up_pass_it_on() {
    let fixture = Fixture::new();
    fixture.locked(Direction::Read);
    let tasks: Vec<Arc<Wakes>> = (0..=CALLED).map(|_| Arc::default()).collect();
    let mut locks: Vec<_> = tasks
        .iter()
        .map(|_| fixture.lock(Direction::Read))
        .collect();
    for (lock, task) in locks.iter_mut().zip(&tasks) {
        let waker = Waker::from(task.clone());
        let poll = Pin::new(lock).poll(&mut Context::from_waker(&waker));
        assert!(poll.is_pending());
    }
    let last = locks.pop();
    let calls = || -> Vec<_> {
        tasks
            .iter()
            .map(|task| task.0.load(Ordering::Relaxed))
            .collect()
    };
    assert_eq!(fixture.mutex.unlock(Direction::Read), Leave::Nothing);
    assert_eq!(calls(), [vec![1; CALLED], vec![0]].concat());
    drop(locks);
    assert_eq!(calls(), vec![1; CALLED + 1]);
    drop(last);
    assert_eq!(fixture.mutex.try_lock(Direction::Read), Ok(true));
}

#[test]
fn semantics_53_close_wakes_everybody_in_the_queues_and_denies_the_rest() {
    let fixture = Fixture::new();
    fixture.locked(Direction::Read);
    let mut waiting: Vec<_> = (0..4).map(|_| fixture.lock(Direction::Read)).collect();
    assert!(
        waiting
            .iter_mut()
            .all(|lock| fixture.poll(lock).is_pending())
    );
    assert_eq!(fixture.mutex.close(), Ok(()));
    assert_eq!(fixture.wakes(), 4);
    for lock in &mut waiting {
        assert_eq!(fixture.poll(lock), Poll::Ready(Err(Denied::Closed)));
    }
    assert_eq!(fixture.mutex.close(), Err(Denied::Closed));
    assert_eq!(fixture.mutex.incref(), Err(Denied::Closed));
    assert_eq!(
        fixture.mutex.try_lock(Direction::Write),
        Err(Denied::Closed)
    );
    assert_eq!(
        fixture.mutex.decref(),
        Leave::Nothing,
        "the reader is still there"
    );
    assert_eq!(fixture.mutex.unlock(Direction::Read), Leave::Destroy);
}

#[test]
fn one_that_was_called_does_not_keep_a_closed_descriptor() {
    let fixture = Fixture::new();
    fixture.locked(Direction::Read);
    let mut waiting = fixture.lock(Direction::Read);
    assert!(fixture.poll(&mut waiting).is_pending());
    assert_eq!(fixture.mutex.unlock(Direction::Read), Leave::Nothing);
    assert_eq!(fixture.mutex.close(), Ok(()));
    assert_eq!(fixture.mutex.decref(), Leave::Destroy);
    assert_eq!(fixture.poll(&mut waiting), Poll::Ready(Err(Denied::Closed)));
}

#[test]
fn semantics_53_the_count_of_references_is_bounded_with_an_error() {
    let fixture = Fixture::new();
    for _ in 0..MAX_REFS {
        fixture.mutex.incref().unwrap();
    }
    assert_eq!(fixture.mutex.incref(), Err(Denied::TooMany));
    assert_eq!(
        fixture.mutex.try_lock(Direction::Read),
        Err(Denied::TooMany)
    );
    assert_eq!(fixture.mutex.decref(), Leave::Nothing);
    assert_eq!(fixture.mutex.incref(), Ok(()));
}

#[test]
fn a_waiter_that_finds_out_about_a_close_half_way_leaves_its_place() {
    let fixture = Fixture::new();
    fixture.locked(Direction::Read);
    let mut waiting = fixture.lock(Direction::Read);
    assert!(fixture.poll(&mut waiting).is_pending());
    // The first half of close(): the CAS, not yet the queue.
    fixture
        .mutex
        .state
        .fetch_add(CLOSED + REF, Ordering::AcqRel);
    // The waiter is polled (select!, join!, its task woken for something else).
    assert_eq!(fixture.poll(&mut waiting), Poll::Ready(Err(Denied::Closed)));
    // The operation under way ends.
    assert_eq!(fixture.mutex.unlock(Direction::Read), Leave::Nothing);
    // The second half of close(), and its decref.
    {
        let mut queues = fixture.mutex.queues().lock();
        fixture
            .mutex
            .state
            .fetch_and(!(WAITED[0] | WAITED[1]), Ordering::AcqRel);
        queues.sides.iter_mut().for_each(|side| side.0.clear());
    }
    drop(waiting);
    assert_eq!(fixture.mutex.decref(), Leave::Destroy, "never destroyed");
}

#[test]
fn one_at_a_time_under_stress_and_destroyed_once() {
    let fixture = Fixture::new();
    let inside = [AtomicUsize::new(0), AtomicUsize::new(0)];
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (fixture, inside) = (&fixture, &inside);
            scope.spawn(move || {
                for turn in 0..2000 {
                    let direction = Direction::ALL[(thread + turn) % 2];
                    let granted = futures_lite::future::block_on(fixture.lock(direction));
                    granted.unwrap();
                    assert_eq!(inside[direction.index()].fetch_add(1, Ordering::AcqRel), 0);
                    inside[direction.index()].fetch_sub(1, Ordering::AcqRel);
                    assert_eq!(fixture.mutex.unlock(direction), Leave::Nothing);
                }
            });
        }
    });
    fixture.mutex.close().unwrap();
    assert_eq!(fixture.mutex.decref(), Leave::Destroy);
}

/// Go internal/poll/fd_mutex_test.go TestMutexPanic. Outside of this module the guards of
/// `operation` and `descriptor` give back what they took, once; here it is said what would become
/// of a mistake in them.
#[test]
#[cfg(debug_assertions)]
fn what_is_given_back_without_having_been_taken_is_noticed_and_the_mutex_stays_usable() {
    let fixture = Fixture::new();
    let panics = |mistake: &dyn Fn()| {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(mistake));
        assert!(outcome.is_err(), "it goes unnoticed");
    };
    let give_back = || _ = fixture.mutex.decref();
    panics(&give_back);
    for direction in Direction::ALL {
        panics(&|| _ = fixture.mutex.unlock(direction));
    }
    fixture.mutex.incref().unwrap();
    assert_eq!(fixture.mutex.decref(), Leave::Nothing);
    panics(&give_back);
    for direction in Direction::ALL {
        fixture.locked(direction);
        assert_eq!(fixture.mutex.unlock(direction), Leave::Nothing);
        panics(&|| _ = fixture.mutex.unlock(direction));
        fixture.locked(direction);
    }
    for direction in Direction::ALL {
        assert_eq!(fixture.mutex.unlock(direction), Leave::Nothing);
    }
}

/// Go internal/poll/fd_mutex_test.go TestMutexStress: references come and go beside both locks, and
/// neither is ever the last.
#[test]
fn references_and_both_locks_under_stress_do_not_disturb_each_other() {
    let fixture = Fixture::new();
    let inside = [AtomicUsize::new(0), AtomicUsize::new(0)];
    std::thread::scope(|scope| {
        for thread in 0..8_usize {
            let (fixture, inside) = (&fixture, &inside);
            scope.spawn(move || {
                for turn in 0..10_000 {
                    // Every order of the three, by a step that is prime to them.
                    match (thread * 7 + turn * 5 + turn / 3) % 3 {
                        0 => {
                            fixture.mutex.incref().unwrap();
                            assert_eq!(fixture.mutex.decref(), Leave::Nothing);
                        }
                        kind => {
                            let direction = Direction::ALL[kind - 1];
                            futures_lite::future::block_on(fixture.lock(direction)).unwrap();
                            let inside = &inside[direction.index()];
                            assert_eq!(inside.fetch_add(1, Ordering::AcqRel), 0);
                            inside.fetch_sub(1, Ordering::AcqRel);
                            assert_eq!(fixture.mutex.unlock(direction), Leave::Nothing);
                        }
                    }
                }
            });
        }
    });
    fixture.mutex.close().unwrap();
    assert_eq!(fixture.mutex.decref(), Leave::Destroy);
}
