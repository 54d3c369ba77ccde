//! Open files against the limit of the process: who opens them, and how long there is room if it
//! goes on like this.
//!
//! The limit is the process's. So that it is found once and not in each poller, it is told of the
//! one in which the line is that opens them. The kernel has the number of open files at hand (since
//! Linux 6.2): one stat(2) a look. An older one has them listed, about a microsecond each, on the
//! thread that looks.

use std::cmp::Reverse;
use std::panic::Location;

use super::finding::Finding;
use super::lint::Lint;
use super::observation::Observation;
use super::span;
use crate::poller::all_pollers;
use crate::sys;

/// Less room than a tenth of the limit is too little, or than so many files where that is more.
const ROOM: u64 = 1_000;
/// What grows is not worth a word while half of the files may still be opened, or if there is room
/// for longer than that.
const HORIZON_NS: u64 = 600_000_000_000;
/// Windows of growth. In one alone a pool may have been filled.
const WINDOWS: u32 = 2;
/// How many times as long as the shortest the windows are: what grows by one descriptor in half a
/// minute is seen by whoever looks for some minutes.
const SCALES: [u64; 3] = [1, 8, 64];
/// Lines that are named.
const NAMED: [&str; 3] = ["opened most at", "then at", "and at"];

/// What was seen of the process, by one poller.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Since when there is too little room.
    short_since_ns: Option<u64>,
    /// In the order of [`SCALES`].
    scales: [Scale; SCALES.len()],
}

/// What was seen in windows of one length.
#[derive(Debug, Default)]
struct Scale {
    /// The count with which the window began.
    window: Option<Count>,
    growth: Option<Growth>,
}

/// It grows, and has not rested since.
#[derive(Debug)]
struct Growth {
    from: Count,
    /// Windows in which it grew.
    windows: u32,
    /// The end of the last of them.
    last_ns: u64,
}

/// The open files at one moment.
#[derive(Clone, Debug, Default)]
struct Count {
    at_ns: u64,
    open: u64,
    limit: u64,
    lines: Vec<Line>,
}

/// A line and what it has opened in one poller.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line {
    poller: u32,
    at: Option<&'static Location<'static>>,
    opened: u64,
    closed: u64,
}

impl Line {
    fn live(&self) -> u64 {
        self.opened - self.closed
    }

    /// What was opened and closed since `before`.
    fn since(&self, before: &Count) -> (u64, u64) {
        let same = |it: &&Line| (it.poller, it.at) == (self.poller, self.at);
        let (opened, closed) = before
            .lines
            .iter()
            .find(same)
            .map_or((0, 0), |it| (it.opened, it.closed));
        (
            self.opened.saturating_sub(opened),
            self.closed.saturating_sub(closed),
        )
    }

    /// What it has more than it had, less than nothing is nothing.
    fn grown(&self, before: &Count) -> u64 {
        let (opened, closed) = self.since(before);
        opened.saturating_sub(closed)
    }

    /// Whether it has grown by more than comes of connections that come and go by chance: three
    /// times the square root of their number.
    fn leaks(&self, before: &Count) -> bool {
        let (opened, closed) = self.since(before);
        let grown = opened.saturating_sub(closed);
        grown > 0 && grown.saturating_mul(grown) >= (opened + closed).saturating_mul(9)
    }
}

impl Count {
    /// `None` where /proc is not there to tell.
    fn of(observation: &Observation<'_>) -> Option<Self> {
        let lines = all_pollers().into_iter().flat_map(|poller| {
            let sites = poller.sites().into_iter();
            sites.map(move |site| Line {
                poller: poller.shared.id,
                at: site.location,
                opened: site.opened,
                closed: site.closed,
            })
        });
        Some(Self {
            at_ns: observation.now_ns,
            open: sys::open_files().ok()?,
            limit: sys::file_limit().ok()?,
            lines: lines.collect(),
        })
    }

    fn left(&self) -> u64 {
        self.limit.saturating_sub(self.open)
    }

    fn is_short(&self) -> bool {
        self.left() < (self.limit / 10).min(ROOM)
    }

    /// How long there is room if it goes on as since `before`; `None` if it does not grow.
    fn lasts_ns(&self, before: &Self) -> Option<u64> {
        let grown = self.open.checked_sub(before.open).filter(|it| *it > 0)?;
        let took_ns = u128::from(self.at_ns.saturating_sub(before.at_ns));
        let ns = u128::from(self.left()) * took_ns / u128::from(grown);
        Some(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// Whether a line that leaks will soon have used up what is left.
    fn runs_out(&self, before: &Self) -> bool {
        self.left() <= self.limit / 2
            && self.lasts_ns(before).is_some_and(|ns| ns <= HORIZON_NS)
            && self.lines.iter().any(|line| line.leaks(before))
    }

    /// The lines, those that leak first, and then those that have most open.
    fn culprits(&self, before: &Self) -> Vec<Line> {
        let mut lines: Vec<_> = self
            .lines
            .iter()
            .filter(|it| it.live() > 0)
            .copied()
            .collect();
        lines.sort_by_key(|line| {
            let leaks = if line.leaks(before) {
                line.grown(before)
            } else {
                0
            };
            (Reverse(leaks), Reverse(line.live()), line.poller, line.at)
        });
        lines
    }
}

impl Files {
    pub(super) fn look(&mut self, observation: &Observation<'_>) -> Option<Finding> {
        if !observation.runs(Lint::DescriptorsRunOut) {
            return None;
        }
        let now = Count::of(observation)?;
        self.see(&now, observation.options.window_ns());
        let hold_ns = observation.hold_ns(Lint::DescriptorsRunOut);
        let (since_ns, before) = self.fault(&now, hold_ns)?;
        let culprits = now.culprits(before);
        let mut pollers = now.lines.iter().map(|line| line.poller);
        let told_of = culprits
            .first()
            .map(|line| line.poller)
            .or_else(|| pollers.next());
        let own = observation.poller.shared.id;
        (told_of.unwrap_or(own) == own)
            .then(|| describe(observation, &now, before, since_ns, &culprits))
    }

    /// Notes a count. Several of the shortest windows fit into the `whole` in which rates are
    /// taken, so that one look sees whether it goes on.
    fn see(&mut self, now: &Count, whole_ns: u64) {
        self.short_since_ns = now
            .is_short()
            .then(|| self.short_since_ns.unwrap_or(now.at_ns));
        for (scale, times) in self.scales.iter_mut().zip(SCALES) {
            scale.see(now, whole_ns.saturating_mul(times));
        }
    }

    /// Since when it is so that there are too few, or soon will be, and the count that `now` is to
    /// be compared with.
    fn fault<'c>(&'c self, now: &'c Count, hold_ns: u64) -> Option<(u64, &'c Count)> {
        let held = |since_ns: u64| now.at_ns.saturating_sub(since_ns) >= hold_ns;
        let growths = || self.scales.iter().filter_map(|it| it.growth.as_ref());
        let runs_out = growths()
            .find(|it| it.windows >= WINDOWS && held(it.from.at_ns) && now.runs_out(&it.from));
        let short = self.short_since_ns.filter(|since_ns| held(*since_ns));
        let since_ns = [runs_out.map(|it| it.from.at_ns), short];
        let since_ns = since_ns.into_iter().flatten().min()?;
        let growth = runs_out.or_else(|| growths().next());
        Some((since_ns, growth.map_or(now, |it| &it.from)))
    }
}

impl Scale {
    /// Notes a count; half of `whole` without growth is a rest.
    fn see(&mut self, now: &Count, whole_ns: u64) {
        match &self.window {
            Some(began) if now.at_ns.saturating_sub(began.at_ns) < whole_ns / 5 => {}
            Some(began) if now.open > began.open => {
                let growth = self.growth.get_or_insert_with(|| Growth {
                    from: began.clone(),
                    windows: 0,
                    last_ns: 0,
                });
                growth.windows += 1;
                growth.last_ns = now.at_ns;
                self.window = Some(now.clone());
            }
            _ => {
                let rests = |it: &Growth| now.at_ns.saturating_sub(it.last_ns) >= whole_ns / 2;
                self.growth = self.growth.take().filter(|growth| !rests(growth));
                self.window = Some(now.clone());
            }
        }
    }
}

fn describe(
    observation: &Observation<'_>,
    now: &Count,
    before: &Count,
    since_ns: u64,
    culprits: &[Line],
) -> Finding {
    let line = |line: &Line| match line.at {
        Some(at) => format!("{}:{}", at.file(), at.line()),
        None => "lines that are counted together".to_owned(),
    };
    let Count { open, limit, .. } = now;
    let took = span(now.at_ns.saturating_sub(before.at_ns));
    let grown = now.open.saturating_sub(before.open);
    let lasts = now.lasts_ns(before).map(span);
    let mut summary = format!("{open} of the {limit} files that the process may have open are");
    if let Some(lasts) = &lasts {
        summary += &format!(", and at this growth none is left in {lasts}");
    }
    if let Some(most) = culprits.first() {
        summary += &format!(": {} of them were opened at {}", most.live(), line(most));
    }
    let of_pollers: u64 = now.lines.iter().map(Line::live).sum();
    let mut finding = Finding::of_poller(Lint::DescriptorsRunOut, observation, since_ns, summary)
        .first_seen()
        .evidence("open files", format!("{open} of {limit}"))
        .evidence_if("growth", (grown > 0).then(|| format!("{grown} in {took}")))
        .evidence_if("none left in", lasts);
    for (name, culprit) in NAMED.into_iter().zip(culprits) {
        let more = match culprit.grown(before) {
            0 => String::new(),
            grown => format!(", {grown} more than {took} ago"),
        };
        let text = format!("{}: {} open{more}", line(culprit), culprit.live());
        finding = finding.evidence(name, text);
    }
    finding.location = culprits.first().and_then(|line| line.at);
    finding.evidence(
        "open without any poller",
        open.saturating_sub(of_pollers).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn line(opened: u64, closed: u64) -> Line {
        Line {
            poller: 1,
            at: None,
            opened,
            closed,
        }
    }

    /// At so many half seconds.
    fn count(halves: u64, open: u64, lines: &[Line]) -> Count {
        Count {
            at_ns: halves * SECOND / 2,
            open,
            limit: 1_024,
            lines: lines.to_vec(),
        }
    }

    /// Sees one after another, and says since which half second there is a fault.
    fn seen(counts: &[Count]) -> Option<u64> {
        let mut files = Files::default();
        for now in counts {
            files.see(now, SECOND);
        }
        let (since_ns, _) = files.fault(counts.last()?, SECOND * 4 / 5)?;
        Some(since_ns * 2 / SECOND)
    }

    #[test]
    fn a_leak_is_a_fault_when_it_goes_on_and_will_soon_have_used_up_the_rest() {
        let leak = |halves, open: u64| count(halves, open, &[line(open, 0)]);
        let steps = [leak(0, 600), leak(1, 610), leak(2, 620)];
        assert_eq!(seen(&steps), Some(0));
        assert_eq!(seen(&steps[..2]), None, "not yet");
        assert_eq!(steps[2].lasts_ns(&steps[0]), Some(404 * SECOND / 20));
        let half = [leak(0, 480), leak(1, 490), leak(2, 500)];
        assert_eq!(seen(&half), None, "more than half is left");
        let mut slow = [leak(0, 600), leak(1, 610), leak(2, 620)];
        slow.iter_mut().for_each(|count| count.limit = 100_000);
        assert_eq!(seen(&slow), None, "it lasts for long");
    }

    #[test]
    fn a_leak_of_one_descriptor_a_second_is_a_fault_for_who_looks_for_long_enough() {
        let until = |last: u64, halves: u64| {
            let open = 600 + halves.min(last) / 2;
            count(halves, open, &[line(open, 0)])
        };
        let steps: Vec<_> = (0..=30).map(|halves| until(30, halves)).collect();
        assert_eq!(seen(&steps[..16]), None, "seven may be chance");
        assert_eq!(seen(&steps), Some(0));
        // And one that rests.
        let steps: Vec<_> = (0..=45).map(|halves| until(30, halves)).collect();
        assert_eq!(seen(&steps), None);
    }

    #[test]
    fn a_pool_that_grew_and_rests_is_none_and_neither_are_connections_that_come_and_go() {
        let pool = |halves, open: u64| count(halves, open, &[line(open, 0)]);
        let steps = [pool(0, 100), pool(1, 600), pool(2, 700), pool(3, 700)];
        assert_eq!(seen(&steps), None);
        let busy = |halves, opened: u64, closed: u64| {
            count(halves, opened - closed, &[line(opened, closed)])
        };
        let steps = [busy(0, 700, 0), busy(1, 1_200, 490), busy(2, 1_700, 975)];
        assert_eq!(seen(&steps), None, "25 more of 1975 is chance");
        let elsewhere = |halves, open| count(halves, open, &[line(10, 0)]);
        let steps = [elsewhere(0, 600), elsewhere(1, 650), elsewhere(2, 700)];
        assert_eq!(seen(&steps), None, "nobody knows whether it goes on");
    }

    #[test]
    fn whoever_opens_them_a_number_close_to_the_limit_is_a_fault_though_it_is_steady() {
        let steady = |halves, open| count(halves, open, &[]);
        let near = |open| [steady(0, open), steady(1, open), steady(2, open)];
        assert_eq!(seen(&near(923)), Some(0));
        assert_eq!(seen(&near(922)), None);
        assert_eq!(seen(&near(1_100)), Some(0), "the limit was lowered");
        let again = [steady(0, 1_000), steady(1, 800), steady(2, 1_000)];
        assert_eq!(seen(&again), None, "it has begun only now");
        let mut large = near(998_900);
        large.iter_mut().for_each(|count| count.limit = 1_000_000);
        assert_eq!(seen(&large), None, "there is room for 1100");
    }

    #[test]
    fn the_line_that_leaks_comes_before_the_one_that_has_most() {
        let lines = |leaked, churned| {
            let at = |line: Line, poller| Line { poller, ..line };
            [
                at(line(500, 0), 3),
                at(line(leaked, 0), 7),
                at(line(churned + 30, churned), 9),
            ]
        };
        let before = count(0, 600, &lines(10, 0));
        let now = count(2, 620, &lines(30, 5_000));
        let pollers: Vec<_> = now.culprits(&before).iter().map(|it| it.poller).collect();
        assert_eq!(pollers, [7, 3, 9]);
        let pollers: Vec<_> = now.culprits(&now).iter().map(|it| it.poller).collect();
        assert_eq!(pollers, [3, 7, 9]);
    }
}
