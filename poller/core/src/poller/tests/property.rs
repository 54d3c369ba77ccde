//! One direction of a descriptor against a model without concurrency, over random sequences of
//! everything that can happen to it. The laws hold after every step.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Reset,
    /// Polls the wait, or begins one, with one of three wakers.
    Poll(usize),
    /// A poll function.
    Polled(usize),
    /// Drops the wait.
    Drop,
    Edge,
    DeadlinePast,
    DeadlineSet,
    DeadlineFires,
    DeadlineCleared,
    Evict,
    /// Closes, and opens the next life of the slot.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Reset),
        6 => (0..3_usize).prop_map(Step::Poll),
        2 => (0..3_usize).prop_map(Step::Polled),
        2 => Just(Step::Drop),
        4 => Just(Step::Edge),
        2 => Just(Step::DeadlinePast),
        1 => Just(Step::DeadlineSet),
        1 => Just(Step::DeadlineFires),
        2 => Just(Step::DeadlineCleared),
        1 => Just(Step::Evict),
        1 => Just(Step::Reopen),
    ]
}

/// What the words should be, in plain variables.
#[derive(Default)]
struct Model {
    ready: bool,
    /// The waker of whoever is parked.
    parked: Option<usize>,
    /// The wait by a future has begun and not ended.
    claimed: bool,
    expired: bool,
    scheduled: bool,
    closing: bool,
    calls: [usize; 3],
}

impl Model {
    fn check(&self) -> Result<(), Error> {
        match self {
            Model { closing: true, .. } => Err(Error::Closed),
            Model { expired: true, .. } => Err(Error::DeadlineExceeded),
            _ => Ok(()),
        }
    }

    fn poll(&mut self, waker: usize, future: bool) -> Poll<Result<(), Error>> {
        let goes_on = future && self.claimed;
        if self.claimed && !future {
            return BUSY;
        }
        if !goes_on && let Err(error) = self.check() {
            return Poll::Ready(Err(error));
        }
        if self.ready {
            (self.ready, self.claimed) = (false, false);
            return OK;
        }
        if self.parked.is_none()
            && let Err(error) = self.check()
        {
            self.claimed = false;
            return Poll::Ready(Err(error));
        }
        if !goes_on {
            // A poll function had left it behind, and may have to wait again.
            self.release();
        }
        self.parked = Some(waker);
        self.claimed = future;
        Poll::Pending
    }

    fn release(&mut self) {
        if let Some(waker) = self.parked.take() {
            self.calls[waker] += 1;
        }
    }
}

fn run(steps: Vec<Step>) {
    let fixture = Fixture::new();
    let open = || -> &'static Desc { Box::leak(Box::new(fixture.open(5))) };
    let mut desc = open();
    let mut wait: Option<Pin<Box<Wait<'static>>>> = None;
    let wakers: [_; 3] = std::array::from_fn(|_| Calls::new());
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Reset => {
                let expected = match model.check() {
                    Err(error) => Err(error),
                    Ok(()) if model.claimed => Err(Error::Busy),
                    Ok(()) => Ok(std::mem::take(&mut model.ready)),
                };
                assert_eq!(desc.reset(Read), expected);
            }
            Step::Poll(waker) => {
                let mut cx = Context::from_waker(&wakers[waker].1);
                let future = wait.get_or_insert_with(|| Box::pin(desc.wait(Read)));
                let poll = future.as_mut().poll(&mut cx);
                assert_eq!(poll, model.poll(waker, true));
                if poll.is_ready() {
                    wait = None;
                }
            }
            Step::Polled(waker) => {
                let mut cx = Context::from_waker(&wakers[waker].1);
                let poll = desc.poll_wait(Read, Location::caller(), false, &mut cx);
                assert_eq!(poll, model.poll(waker, false));
            }
            Step::Drop => {
                if wait.take().is_some() && std::mem::take(&mut model.claimed) {
                    model.parked = None;
                }
            }
            Step::Edge => {
                let woken = fixture.edge(5, IN);
                assert_eq!(woken, usize::from(model.parked.is_some()));
                model.ready = true;
                model.release();
            }
            Step::DeadlinePast => {
                desc.set_deadline(past(), Sides::Read);
                if !model.closing {
                    (model.expired, model.scheduled) = (true, false);
                    model.release();
                }
            }
            Step::DeadlineSet => {
                desc.set_deadline(Some(hours(1)), Sides::Read);
                if !model.closing {
                    (model.expired, model.scheduled) = (false, true);
                }
            }
            Step::DeadlineFires => {
                fixture.fire_at(hours(2));
                if std::mem::take(&mut model.scheduled) {
                    model.expired = true;
                    model.release();
                }
            }
            Step::DeadlineCleared => {
                desc.set_deadline(None, Sides::Read);
                if !model.closing {
                    (model.expired, model.scheduled) = (false, false);
                }
            }
            Step::Evict => {
                assert_eq!(desc.unblock(), !model.closing);
                (model.closing, model.expired, model.scheduled) = (true, false, false);
                model.release();
            }
            Step::Reopen => {
                if wait.take().is_some() && model.claimed {
                    model.parked = None;
                }
                model.release();
                desc.close_once();
                // Of all lives: what a life ended with is counted for the poller alone.
                let totals = fixture.poller.shared.recorder.totals();
                check_counts(totals.transitions[Read.index()], State::Nil);
                desc = open();
                model = Model {
                    calls: model.calls,
                    ..Model::default()
                };
            }
        }
        let expected = match &model {
            Model { ready: true, .. } => State::Ready,
            Model {
                parked: Some(_), ..
            } => State::Parked,
            _ => State::Nil,
        };
        assert_eq!(state(desc, Read), expected, "after {step:?}");
        assert_eq!(
            wakers.each_ref().map(|(calls, _)| calls.count()),
            model.calls,
            "after {step:?}"
        );
        assert_eq!(
            fixture.poller.waiters(),
            i64::from(model.parked.is_some()),
            "after {step:?}"
        );
        assert_eq!(desc.check(Read), model.check(), "after {step:?}");
        check_laws(desc, Read);
    }
    drop(wait);
    desc.close_once();
    assert_eq!(fixture.poller.waiters(), 0);
    assert_eq!(fixture.queued(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn a_descriptor_agrees_with_its_model(steps in proptest::collection::vec(step(), 1..60)) {
        run(steps);
    }
}
