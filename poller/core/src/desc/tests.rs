//! Races of the rg/wg word, made to happen: what should come in between is called from where the
//! word asks its waiter.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Poll, Wake, Waker};

use super::State;
use super::word::{Refused, Token, Waiter, Word};
use crate::observe::Transition;

type Interruption = Box<dyn FnOnce(&Word)>;
/// What happens in the middle of a check, and what the check says.
type Check = (Option<Interruption>, Result<(), ()>);

/// A waiter that lets something happen in the middle of its poll.
#[derive(Default)]
struct Interrupted {
    word: Word,
    /// The checks to come; `None` for one that finds nothing.
    checks: RefCell<Vec<Option<Check>>>,
    in_publish: RefCell<Option<Interruption>>,
    transitions: RefCell<Vec<Transition>>,
    waiters: AtomicI64,
}

impl Default for Word {
    fn default() -> Self {
        Word::new()
    }
}

impl Interrupted {
    fn poll(&self, token: &mut Token, waker: &Waker) -> Poll<Result<(), Refused<()>>> {
        self.word.poll_wait(token, false, waker, self)
    }

    fn taken(&self) -> Vec<Transition> {
        self.transitions.take()
    }
}

impl Waiter for Interrupted {
    type Error = ();

    fn check(&self) -> Result<(), ()> {
        let next = {
            let mut checks = self.checks.borrow_mut();
            if checks.is_empty() {
                None
            } else {
                checks.remove(0)
            }
        };
        let Some((interruption, outcome)) = next else {
            return Ok(());
        };
        if let Some(interruption) = interruption {
            interruption(&self.word);
        }
        outcome
    }

    fn armed(&self) {}

    fn publish(&self, _rearmed: bool) {
        if let Some(interruption) = self.in_publish.take() {
            interruption(&self.word);
        }
    }

    fn parked(&self) {
        self.waiters.fetch_add(1, Ordering::Relaxed);
    }

    fn unparked(&self) {
        self.waiters.fetch_sub(1, Ordering::Relaxed);
    }

    fn consumed(&self, _parked: bool) {
        self.count([Transition::Consume]);
    }

    fn count<const N: usize>(&self, transitions: [Transition; N]) {
        self.transitions.borrow_mut().extend(transitions);
    }
}

struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

/// For a word in which nobody is parked: there is no waker to take, and no wake to stamp.
#[track_caller]
fn unblock(word: &Word) {
    let waker = word.unblock(|| panic!("nobody is parked"), |_| ());
    assert!(waker.is_none());
}

/// As [`unblock`].
#[track_caller]
fn ready(word: &Word) {
    let waker = word.ready(|| panic!("nobody is parked"), |_| ());
    assert!(waker.is_none());
}

#[test]
fn semantics_18_an_error_that_comes_up_after_the_first_check_is_seen_before_the_park() {
    let waiter = Interrupted::default();
    waiter.checks.replace(vec![None, Some((None, Err(())))]);
    let mut token = Token::default();
    let poll = waiter.poll(&mut token, Waker::noop());
    assert_eq!(poll, Poll::Ready(Err(Refused::Check(()))));
    assert!(!token.is_claimed());
    assert_eq!(waiter.word.state(), State::Nil);
    assert_eq!(waiter.taken(), [Transition::Arm, Transition::CancelArmed]);
}

#[test]
fn semantics_17_readiness_beats_an_error_found_after_arming() {
    let waiter = Interrupted::default();
    waiter
        .checks
        .replace(vec![None, Some((Some(Box::new(ready)), Err(())))]);
    let poll = waiter.poll(&mut Token::default(), Waker::noop());
    assert_eq!(poll, Poll::Ready(Ok(())));
    assert_eq!(waiter.taken(), [Transition::Arm, Transition::Consume]);
}

#[test]
fn semantics_19_an_unblock_between_wait_and_park_leaves_no_waiter() {
    let waiter = Interrupted::default();
    waiter.in_publish.replace(Some(Box::new(unblock)));
    waiter
        .checks
        .replace(vec![None, None, Some((None, Err(())))]);
    let mut token = Token::default();
    let poll = waiter.poll(&mut token, Waker::noop());
    assert_eq!(poll, Poll::Ready(Err(Refused::Check(()))));
    assert_eq!(waiter.waiters.load(Ordering::Relaxed), 0);
    assert_eq!(waiter.taken(), [Transition::Arm]);
    assert_eq!(waiter.word.state(), State::Nil);
    assert!(!token.is_claimed());
}

#[test]
fn semantics_19_an_edge_between_wait_and_park_is_consumed_without_parking() {
    let waiter = Interrupted::default();
    waiter.in_publish.replace(Some(Box::new(ready)));
    let poll = waiter.poll(&mut Token::default(), Waker::noop());
    assert_eq!(poll, Poll::Ready(Ok(())));
    assert_eq!(waiter.waiters.load(Ordering::Relaxed), 0);
    assert_eq!(waiter.taken(), [Transition::Arm, Transition::Consume]);
}

#[test]
fn a_wait_released_while_it_changes_its_waker_is_no_waiter_any_more_and_keeps_neither_waker() {
    let waiter = Interrupted::default();
    let wakers = [Arc::new(Nobody), Arc::new(Nobody)];
    let mut token = Token::default();
    assert!(
        waiter
            .poll(&mut token, &wakers[0].clone().into())
            .is_pending()
    );
    assert_eq!(waiter.waiters.load(Ordering::Relaxed), 1);
    waiter.in_publish.replace(Some(Box::new(ready)));
    let poll = waiter.poll(&mut token, &wakers[1].clone().into());
    assert_eq!(poll, Poll::Ready(Ok(())));
    assert_eq!(waiter.waiters.load(Ordering::Relaxed), 0);
    for waker in &wakers {
        assert_eq!(Arc::strong_count(waker), 1);
    }
}

#[test]
fn semantics_22_a_second_waiter_that_comes_while_the_first_arms_is_busy() {
    let waiter = Interrupted::default();
    waiter.in_publish.replace(Some(Box::new(|word: &Word| {
        let second = Interrupted::default();
        let poll = word.poll_wait(&mut Token::default(), false, Waker::noop(), &second);
        assert_eq!(poll, Poll::Ready(Err(Refused::Busy)));
        let polled = word.poll_wait(&mut Token::default(), true, Waker::noop(), &second);
        assert_eq!(polled, Poll::Ready(Err(Refused::Busy)));
        assert!(word.reset(|_| ()).is_err());
    })));
    let mut token = Token::default();
    assert!(waiter.poll(&mut token, Waker::noop()).is_pending());
    assert!(waiter.word.cancel(&mut token, |_| ()).is_some());
}

#[test]
fn a_wait_is_shown_by_the_names_of_its_states() {
    let waiter = Interrupted::default();
    let mut token = Token::default();
    let shown = |word: &Word| word.state().name();
    assert_eq!(shown(&waiter.word), "nil");
    waiter.in_publish.replace(Some(Box::new(move |word: &Word| {
        assert_eq!(shown(word), "wait");
    })));
    assert!(waiter.poll(&mut token, Waker::noop()).is_pending());
    assert_eq!(shown(&waiter.word), "parked");
    assert!(waiter.word.ready(|| (), |_| ()).is_some());
    assert_eq!(shown(&waiter.word), "ready");
    assert_eq!(waiter.poll(&mut token, Waker::noop()), Poll::Ready(Ok(())));
    assert_eq!(shown(&waiter.word), "nil");
}

/// Counts its calls.
struct Called(AtomicI64);

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_waiter_that_is_polled_while_its_waker_is_taken_asks_to_be_polled_again() {
    let waiter = Interrupted::default();
    let token = RefCell::new(Token::default());
    let [first, second] = [0, 0].map(|calls| Arc::new(Called(AtomicI64::new(calls))));
    let calls = || [&first, &second].map(|waker| waker.0.load(Ordering::Relaxed));
    let poll = |waker: &Arc<Called>| waiter.poll(&mut token.borrow_mut(), &waker.clone().into());
    assert!(poll(&first).is_pending());
    let taken = waiter.word.ready(
        || {
            assert_eq!(waiter.word.state(), State::Parked, "as tables show it");
            assert!(poll(&second).is_pending());
            assert_eq!(calls(), [0, 1], "nobody else knows of the second");
        },
        |_| (),
    );
    taken.unwrap().wake();
    assert_eq!(calls(), [1, 1]);
    assert_eq!(poll(&second), Poll::Ready(Ok(())));
    assert_eq!(
        waiter.taken(),
        [Transition::Arm, Transition::Park, Transition::Consume]
    );
}

/// The transitions that the poller makes while it takes the waker of a parked waiter, by an edge or
/// else by a deadline, and `edges` more edges come in between.
fn edges_while_waking(by_edge: bool, edges: usize) -> (Vec<Transition>, State) {
    let waiter = Interrupted::default();
    let mut token = Token::default();
    assert!(waiter.poll(&mut token, Waker::noop()).is_pending());
    waiter.taken();
    let in_between = || {
        for _ in 0..edges {
            let none = waiter.word.ready(|| (), |taken| waiter.count([taken]));
            assert!(none.is_none(), "the waker is somebody else's");
        }
    };
    let count = |taken| waiter.count([taken]);
    let waker = if by_edge {
        waiter.word.ready(in_between, count)
    } else {
        waiter.word.unblock(in_between, count)
    };
    assert!(waker.is_some());
    let state = waiter.word.state();
    // Whatever it was: the wait is still its waiter's, which finds the readiness or arms anew.
    let poll = waiter.word.poll_wait(
        &mut Token::default(),
        false,
        Waker::noop(),
        &Interrupted::default(),
    );
    assert_eq!(poll, Poll::Ready(Err(Refused::Busy)));
    let taken = waiter.taken();
    let again = waiter.poll(&mut token, Waker::noop());
    assert_eq!(again.is_ready(), state == State::Ready);
    (taken, state)
}

#[test]
fn an_edge_that_meets_a_waker_being_taken_is_not_lost_and_is_counted_once() {
    use Transition::{ReadyAgain, ReadyIdle, ReadyParked, UnblockParked};

    assert_eq!(
        edges_while_waking(true, 0),
        (vec![ReadyParked], State::Ready)
    );
    assert_eq!(
        edges_while_waking(true, 1),
        (vec![ReadyParked, ReadyAgain], State::Ready)
    );
    assert_eq!(
        edges_while_waking(false, 0),
        (vec![UnblockParked], State::Nil)
    );
    assert_eq!(
        edges_while_waking(false, 1),
        (vec![UnblockParked, ReadyIdle], State::Ready)
    );
    let (transitions, state) = edges_while_waking(false, 2);
    // The second edge told nothing new, and knows that before the first one is counted.
    assert_eq!(
        (transitions, state),
        (vec![ReadyAgain, UnblockParked, ReadyIdle], State::Ready)
    );
}

#[test]
fn a_future_dropped_while_its_waker_is_taken_leaves_the_readiness_to_the_next_waiter() {
    let waiter = Interrupted::default();
    let token = RefCell::new(Token::default());
    assert!(
        waiter
            .poll(&mut token.borrow_mut(), Waker::noop())
            .is_pending()
    );
    let cancel = || {
        assert!(
            waiter
                .word
                .cancel(&mut token.borrow_mut(), |_| ())
                .is_none(),
            "it is not parked any more"
        );
    };
    assert!(waiter.word.ready(cancel, |_| ()).is_some());
    assert!(!token.borrow().is_claimed());
    assert_eq!(waiter.word.state(), State::Ready);
    let poll = waiter.poll(&mut Token::default(), Waker::noop());
    assert_eq!(poll, Poll::Ready(Ok(())));
}
