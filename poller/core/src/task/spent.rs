//! What a measured future has spent its time on.

use std::fmt;
use std::time::Duration;

use crate::observe::{Awaited, Resumed};

/// Where the time of one future went, from its first poll to its last: what
/// [`measured`](super::measured) returns.
///
/// The parts add up: [`wall`](Self::wall) is [`running`](Self::running) and
/// [`parked_total`](Self::parked_total), to the nanosecond.
///
/// It is written in one line, which leaves out what is nothing:
/// `12.4ms: running 310µs, read 12.1ms (kernel 12.0ms, poller 2µs, scheduler 95µs)`; and if the
/// first poll was waited for longer than 100 µs, `, first polled after 1.2ms`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    before_first_poll_ns: u64,
    wall_ns: u64,
    running_ns: u64,
    polls: u64,
    parked: [Parked; Awaited::COUNT],
}

impl Spent {
    /// Returns the time from the making of the future, as by the call of
    /// [`measured`](super::measured), to its first poll: of one that is spawned that of the
    /// scheduler, before [`wall`](Self::wall) begins. 0 before the first poll.
    #[must_use]
    pub fn before_first_poll(&self) -> Duration {
        Duration::from_nanos(self.before_first_poll_ns)
    }

    /// Returns the time from the beginning of the first poll to the end of the last.
    #[must_use]
    pub fn wall(&self) -> Duration {
        Duration::from_nanos(self.wall_ns)
    }

    /// Returns the time in which it ran: the sum of its polls, with all that blocked or preempted
    /// the thread meanwhile.
    #[must_use]
    pub fn running(&self) -> Duration {
        Duration::from_nanos(self.running_ns)
    }

    /// Returns how often it was polled.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.polls
    }

    /// Returns the time between two polls that a wait for `awaited` has ended.
    #[must_use]
    pub fn parked(&self, awaited: Awaited) -> Parked {
        self.parked[awaited.index()]
    }

    /// Returns all time between two polls, whatever it waited for.
    #[must_use]
    pub fn parked_total(&self) -> Parked {
        let sum = |sum: Parked, it: &Parked| Parked {
            times: sum.times + it.times,
            kernel_ns: sum.kernel_ns + it.kernel_ns,
            unpolled_ns: sum.unpolled_ns + it.unpolled_ns,
            poller_ns: sum.poller_ns + it.poller_ns,
            scheduler_ns: sum.scheduler_ns + it.scheduler_ns,
        };
        self.parked.iter().fold(Parked::default(), sum)
    }
}

/// Time for which a future was not polled, in the parts of the way back to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Parked {
    times: u64,
    kernel_ns: u64,
    unpolled_ns: u64,
    poller_ns: u64,
    scheduler_ns: u64,
}

impl Parked {
    /// Returns how often it was parked.
    #[must_use]
    pub fn times(&self) -> u64 {
        self.times
    }

    /// Returns the whole time: the sum of the parts.
    #[must_use]
    pub fn total(&self) -> Duration {
        Duration::from_nanos(self.total_ns())
    }

    fn total_ns(&self) -> u64 {
        self.kernel_ns + self.unpolled_ns + self.poller_ns + self.scheduler_ns
    }

    /// Returns the time until the poller had the event, or the deadline was due: that of the peer
    /// and of the kernel. Of events it has the time in which nobody polled as well, for nobody
    /// knows when they were there. For [`Awaited::Other`], which no poller knows of, it is all of
    /// the time.
    #[must_use]
    pub fn kernel(&self) -> Duration {
        Duration::from_nanos(self.kernel_ns)
    }

    /// Returns the time in which a deadline was due and nobody polled, as where one task kept the
    /// executor.
    #[must_use]
    pub fn unpolled(&self) -> Duration {
        Duration::from_nanos(self.unpolled_ns)
    }

    /// Returns the time from there until the poller called the waker.
    #[must_use]
    pub fn poller(&self) -> Duration {
        Duration::from_nanos(self.poller_ns)
    }

    /// Returns the time from there until the executor polled the future.
    #[must_use]
    pub fn scheduler(&self) -> Duration {
        Duration::from_nanos(self.scheduler_ns)
    }
}

/// A future that is polled sooner after it was made is not said to have waited for that.
const SOON_NS: u64 = 100_000;

/// A duration with three digits, or four.
struct Short(u64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = Duration::from_nanos(self.0);
        let unit = 1000_u64.pow(self.0.checked_ilog10().unwrap_or(0).min(9) / 3);
        let is_long = self.0 / unit >= 100 || unit == 1;
        write!(f, "{duration:.*?}", if is_long { 0 } else { 1 })
    }
}

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wall, running) = (Short(self.wall_ns), Short(self.running_ns));
        write!(f, "{wall}: running {running}")?;
        for awaited in Awaited::ALL {
            let parked = self.parked(awaited);
            if parked.times > 0 {
                write!(f, ", {awaited} {}", Short(parked.total_ns()))?;
                if awaited != Awaited::Other {
                    write!(f, " ({parked})")?;
                }
            }
        }
        match self.before_first_poll_ns {
            SOON_NS.. => write!(
                f,
                ", first polled after {}",
                Short(self.before_first_poll_ns)
            ),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kernel, poller, scheduler] =
            [self.kernel_ns, self.poller_ns, self.scheduler_ns].map(Short);
        write!(f, "kernel {kernel}, ")?;
        if self.unpolled_ns > 0 {
            write!(f, "unpolled {}, ", Short(self.unpolled_ns))?;
        }
        write!(f, "poller {poller}, scheduler {scheduler}")
    }
}

/// What a future has spent so far. It is told the times, all of one clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account {
    spent: Spent,
    /// When the future was made.
    made_ns: u64,
    /// When the first poll began, 0 before.
    began_ns: u64,
    /// When the last poll began, and when it ended.
    entered_ns: u64,
    left_ns: u64,
}

impl Account {
    pub(super) fn made_at(made_ns: u64) -> Self {
        Self {
            made_ns,
            ..Self::default()
        }
    }

    pub(super) fn spent(&self) -> Spent {
        self.spent
    }

    /// A poll begins.
    pub(super) fn enter(&mut self, now_ns: u64) {
        // A clock that goes back is none of the kernel's, but a sum that wraps is no sum.
        self.entered_ns = now_ns.max(self.left_ns);
        if self.spent.polls == 0 {
            self.spent.before_first_poll_ns = self.entered_ns.saturating_sub(self.made_ns);
            self.began_ns = self.entered_ns;
            self.left_ns = self.entered_ns;
        }
    }

    /// It ends. `resumed` is the wait that it has found over.
    pub(super) fn leave(&mut self, now_ns: u64, resumed: Option<Resumed>) {
        let now_ns = now_ns.max(self.entered_ns);
        if self.spent.polls > 0 {
            self.add_parked(resumed);
        }
        self.spent.polls += 1;
        self.spent.running_ns += now_ns - self.entered_ns;
        self.spent.wall_ns = now_ns - self.began_ns;
        self.left_ns = now_ns;
    }

    /// Splits the time since the last poll.
    fn add_parked(&mut self, resumed: Option<Resumed>) {
        let (from, until) = (self.left_ns, self.entered_ns);
        // One that was over only later is not what made the task run.
        let resumed = resumed.filter(|it| it.woken_ns < until);
        let awaited = resumed.map_or(Awaited::Other, |it| it.awaited);
        let parked = &mut self.spent.parked[awaited.index()];
        // It may have been woken while the last poll still went on, and its waker not be called
        // before this one.
        let woken = resumed.map_or(until, |it| it.woken_ns.clamp(from, until));
        let called = resumed.map_or(until, |it| it.called_ns.clamp(woken, until));
        let due = resumed.map_or(until, |it| it.due_ns.clamp(from, woken));
        parked.times += 1;
        parked.kernel_ns += due - from;
        parked.unpolled_ns += woken - due;
        parked.poller_ns += called - woken;
        parked.scheduler_ns += until - called;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resumed(awaited: Awaited, woken_ns: u64, called_ns: u64) -> Option<Resumed> {
        Some(Resumed {
            awaited,
            due_ns: woken_ns,
            woken_ns,
            called_ns,
        })
    }

    fn parts(parked: Parked) -> [u64; 4] {
        let Parked {
            times,
            kernel_ns,
            unpolled_ns: 0,
            poller_ns,
            scheduler_ns,
        } = parked
        else {
            panic!("{parked:?}");
        };
        [times, kernel_ns, poller_ns, scheduler_ns]
    }

    #[test]
    fn each_pause_belongs_to_the_wait_that_ended_it_and_is_split_where_it_was_woken_and_called() {
        let mut account = Account::made_at(60);
        account.enter(100);
        account.leave(130, None);
        account.enter(1000);
        account.leave(1010, resumed(Awaited::Read, 800, 850));
        account.enter(1110);
        account.leave(1115, resumed(Awaited::Read, 1100, 1101));
        account.enter(2000);
        account.leave(2001, None);
        // Woken while the poll before went on, and its waker not called yet.
        account.enter(2010);
        account.leave(2020, resumed(Awaited::Connect, 1990, 2015));
        // Over only now: it has ended nothing.
        account.enter(3020);
        account.leave(3120, resumed(Awaited::Sleep, 3030, 3040));
        let spent = account.spent();
        assert_eq!(
            parts(spent.parked(Awaited::Read)),
            [2, 670 + 90, 51, 150 + 9]
        );
        assert_eq!(parts(spent.parked(Awaited::Connect)), [1, 0, 9, 0]);
        assert_eq!(parts(spent.parked(Awaited::Sleep)), [0; 4]);
        assert_eq!(parts(spent.parked(Awaited::Other)), [2, 885 + 1000, 0, 0]);
        assert_eq!(
            (spent.polls(), spent.running_ns),
            (6, 30 + 10 + 5 + 1 + 10 + 100)
        );
        assert_eq!(spent.before_first_poll_ns, 100 - 60);
        assert_eq!(spent.wall_ns, 3120 - 100);
        let total = spent.parked_total();
        assert_eq!(total.times(), 5);
        assert_eq!(spent.wall(), spent.running() + total.total());
    }

    #[test]
    fn the_parts_add_up_whatever_the_clocks_and_the_wakes_say() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        for _ in 0..1000 {
            let mut account = Account::made_at(random(1000));
            let mut now = 1 + random(1000);
            for _ in 0..random(20) + 1 {
                // Also one that goes back.
                account.enter((now + random(50)).saturating_sub(10));
                now += random(1000);
                let awaited = Awaited::ALL[random(6) as usize];
                let woken = now.saturating_sub(random(2000));
                let wake = resumed(awaited, woken, (woken + random(500)).saturating_sub(100));
                let due_ns = woken.saturating_sub(random(3000));
                let wake = wake.map(|it| Resumed { due_ns, ..it });
                account.leave(now, wake.filter(|_| random(4) > 0));
                now += random(1000);
            }
            let spent = account.spent();
            let each = Awaited::ALL.map(|awaited| {
                let parked = spent.parked(awaited);
                assert_eq!(
                    parked.total(),
                    parked.kernel() + parked.unpolled() + parked.poller() + parked.scheduler()
                );
                parked.total()
            });
            let parked: Duration = each.into_iter().sum();
            assert_eq!(spent.wall(), spent.running() + parked, "{spent:?}");
            assert_eq!(parked, spent.parked_total().total());
        }
    }

    #[test]
    fn a_sleep_that_was_due_while_nobody_polled_is_not_the_kernels() {
        let mut account = Account::made_at(1);
        account.enter(1000);
        account.leave(2000, None);
        account.enter(2_010_000);
        let late = Resumed {
            awaited: Awaited::Sleep,
            due_ns: 102_000,
            woken_ns: 2_002_000,
            called_ns: 2_003_000,
        };
        account.leave(2_011_000, Some(late));
        let sleep = account.spent().parked(Awaited::Sleep);
        let parts = [
            sleep.kernel(),
            sleep.unpolled(),
            sleep.poller(),
            sleep.scheduler(),
        ];
        assert_eq!(
            parts.map(|it| it.as_nanos()),
            [100_000, 1_900_000, 1000, 7000]
        );
        assert_eq!(
            sleep.to_string(),
            "kernel 100µs, unpolled 1.9ms, poller 1.0µs, scheduler 7.0µs"
        );
    }

    #[test]
    fn it_is_written_in_one_line_without_what_is_nothing() {
        let mut account = Account::made_at(900_001);
        account.enter(1_000_000);
        account.leave(1_310_000, None);
        account.enter(13_500_000);
        account.leave(13_500_900, resumed(Awaited::Read, 13_400_000, 13_402_100));
        account.enter(1_213_500_900);
        account.leave(1_213_500_900, None);
        assert_eq!(
            account.spent().to_string(),
            "1.2s: running 311µs, read 12.2ms (kernel 12.1ms, poller 2.1µs, scheduler 97.9µs), other 1.2s"
        );
        assert_eq!(Spent::default().to_string(), "0ns: running 0ns");
        let mut late = Account::made_at(1_000_000);
        late.enter(2_200_000);
        late.leave(2_200_500, None);
        assert_eq!(
            late.spent().to_string(),
            "500ns: running 500ns, first polled after 1.2ms"
        );
    }
}
