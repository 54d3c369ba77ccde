//! What a script did, and whether it may have done that.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use netpoller_tests::errno;

use super::plan::Plan;

/// What a script did.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    /// What each of its lanes has logged, in order.
    pub(crate) lanes: BTreeMap<String, Vec<String>>,
    /// The error that ended it before its end.
    pub(crate) error: Option<String>,
    /// What is wrong whatever was planned: a law that does not hold, a waiter that is left.
    pub(crate) wrong: Vec<String>,
    /// What the same poller did afterwards, when nothing failed any more.
    pub(crate) again: Option<Box<Outcome>>,
}

/// Where the lanes of a script write what they have done.
#[derive(Clone, Default, Debug)]
pub(crate) struct Log(Arc<Mutex<BTreeMap<String, Vec<String>>>>);

impl Log {
    pub(crate) fn line(&self, lane: &str, line: impl Into<String>) {
        let mut lanes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.entry(lane.to_owned()).or_default().push(line.into());
    }

    /// What was logged, and how it ended.
    pub(crate) fn outcome(&self, result: &io::Result<()>) -> Outcome {
        Outcome {
            lanes: self
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            error: result.as_ref().err().map(describe),
            ..Outcome::default()
        }
    }
}

/// An error with the name of its number, which its own text need not have.
pub(crate) fn describe(error: &io::Error) -> String {
    match errno(error).and_then(super::site::errno_name) {
        Some(name) => format!("{name}: {error}"),
        None => error.to_string(),
    }
}

impl Outcome {
    /// What is wrong with this, if `golden` is what the script does when nothing fails; empty if
    /// nothing is.
    ///
    /// What may not surface must leave no trace. Of the rest an error may, which must name what
    /// failed; until then all has to have gone as it should.
    pub(crate) fn judge(&self, golden: &Outcome, plan: Option<Plan>) -> Vec<String> {
        let mut wrong = self.wrong.clone();
        match (&self.error, plan) {
            (None, _) if self.lanes == golden.lanes => {}
            (None, _) => wrong.push(format!(
                "it ends well and has done something else: {}",
                self.difference(golden)
            )),
            (Some(error), None) => wrong.push(format!("nothing was to fail: {error}")),
            (Some(error), Some(plan)) => {
                if !plan.fault.may_surface(plan.site) {
                    wrong.push(format!("it is the poller's own business: {error}"));
                } else if !names(error, plan.fault.name()) {
                    wrong.push(format!(
                        "the error does not name {}: {error}",
                        plan.fault.name()
                    ));
                }
                let cut_short = |(lane, lines): (&String, &Vec<String>)| {
                    golden
                        .lanes
                        .get(lane)
                        .is_some_and(|golden| golden.starts_with(lines))
                };
                if !self.lanes.iter().all(cut_short) {
                    wrong.push(format!(
                        "before the error it has done something else: {}",
                        self.difference(golden)
                    ));
                }
            }
        }
        wrong
    }

    /// The first line that is another than in `golden`.
    fn difference(&self, golden: &Outcome) -> String {
        let none = Vec::new();
        for lane in golden.lanes.keys().chain(self.lanes.keys()) {
            let expected = golden.lanes.get(lane).unwrap_or(&none);
            let found = self.lanes.get(lane).unwrap_or(&none);
            for line in 0..expected.len().max(found.len()) {
                let (expected, found) = (expected.get(line), found.get(line));
                if expected != found {
                    let text = |line: Option<&String>| match line {
                        Some(line) => format!("`{line}`"),
                        None => "nothing".to_owned(),
                    };
                    return format!("{lane}: {} instead of {}", text(found), text(expected));
                }
            }
        }
        "nothing".to_owned()
    }
}

/// Whether `text` names an error that can be planned.
pub(crate) fn names_error(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .any(super::site::is_errno_name)
}

/// Whether `word` stands in `text` as a word.
fn names(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(lines: &[&str], error: Option<&str>) -> Outcome {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        Outcome {
            lanes: BTreeMap::from([("a".to_owned(), lines)]),
            error: error.map(str::to_owned),
            ..Outcome::default()
        }
    }

    #[test]
    fn an_error_passes_that_names_what_failed_after_what_should_have_gone_before() {
        let golden = outcome(&["read 4", "read 5"], None);
        let plan = Some("epoll_ctl-add:2:ENOMEM".parse().unwrap());
        let judge = |lines: &[&str], error| outcome(lines, error).judge(&golden, plan).len();
        assert_eq!(judge(&["read 4", "read 5"], None), 0);
        assert_eq!(judge(&["read 4"], Some("ENOMEM: no room")), 0);
        assert_eq!(judge(&["read 4"], None), 1, "less is no success");
        assert_eq!(
            judge(&["read 4", "read 9"], None),
            1,
            "nor is something else"
        );
        assert_eq!(judge(&["read 9"], Some("ENOMEM: no room")), 1);
        assert_eq!(judge(&["read 4"], Some("EMFILE: no room")), 1);
    }

    #[test]
    fn a_signal_leaves_no_trace() {
        let golden = outcome(&["read 4"], None);
        let plan = Some("recv-stream:1:EINTR*40".parse().unwrap());
        assert_eq!(golden.judge(&golden, plan), [""; 0]);
        let wrong = outcome(&[], Some("EINTR: interrupted")).judge(&golden, plan);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
    }
}
