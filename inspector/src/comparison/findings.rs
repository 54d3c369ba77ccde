//! What is found that was not, and what is found no more.

use std::collections::HashSet;

use super::moment::Moment;
use crate::findings::{Case, Key};

/// What was found at two moments.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) new: Vec<Case>,
    pub(crate) gone: Vec<Case>,
    /// As it is told now.
    pub(crate) still: Vec<Case>,
}

/// Compares what was found; `None` if nobody looked at one of them.
pub(super) fn between(before: &Moment, after: &Moment, same_life: bool) -> Option<Found> {
    let (before, after) = (before.cases.as_ref()?, after.cases.as_ref()?);
    let key = |case: &Case| key(case, same_life);
    let known: HashSet<Key> = before.iter().map(key).collect();
    let is: HashSet<Key> = after.iter().map(key).collect();
    let (still, new) = after
        .iter()
        .cloned()
        .partition(|it| known.contains(&key(it)));
    let gone = before.iter().filter(|it| !is.contains(&key(it)));
    Some(Found {
        new,
        gone: gone.cloned().collect(),
        still,
    })
}

/// What makes it the same fault. A descriptor of one process is not one of another, so there it is
/// the line of code.
fn key(case: &Case, same_life: bool) -> Key {
    let (lint, poller, id, direction) = case.key();
    match (same_life, &case.entry) {
        (false, Some(_)) => (lint, poller, case.finding.location.clone(), direction),
        _ => (lint, poller, id, direction),
    }
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::{Finding, GetServerResponse, GetStatsResponse};

    use super::*;
    use crate::comparison::Life;
    use crate::fixture;

    fn moment(cases: &[(&str, u32, &str)]) -> Moment {
        let case = |(lint, slot, location): &(&str, u32, &str)| {
            Case::new(Finding {
                lint: (*lint).to_owned(),
                location: (*location).to_owned(),
                descriptor: Some(fixture::row(*slot, fixture::NOW_NS)),
                ..Finding::default()
            })
        };
        Moment {
            life: Life::of(&GetServerResponse::default()),
            rows: Vec::new(),
            stats: GetStatsResponse::default(),
            cases: Some(cases.iter().map(case).collect()),
            more: 0,
        }
    }

    fn lints(cases: &[Case]) -> Vec<&str> {
        cases.iter().map(|it| it.finding.lint.as_str()).collect()
    }

    #[test]
    fn a_fault_is_the_same_by_its_descriptor_and_in_another_process_by_its_line() {
        let before = moment(&[("stuck", 1, "a.rs:1"), ("lost", 2, "a.rs:2")]);
        let after = moment(&[("stuck", 4, "a.rs:1"), ("lost", 2, "a.rs:3")]);
        let one = between(&before, &after, true).expect("both were diagnosed");
        assert_eq!(
            (lints(&one.new), lints(&one.gone)),
            (vec!["stuck"], vec!["stuck"])
        );
        assert_eq!(lints(&one.still), ["lost"]);
        let two = between(&before, &after, false).expect("both were diagnosed");
        assert_eq!(
            (lints(&two.new), lints(&two.gone)),
            (vec!["lost"], vec!["lost"])
        );
        assert_eq!(lints(&two.still), ["stuck"]);
        let unknown = Moment {
            cases: None,
            ..moment(&[])
        };
        assert!(between(&unknown, &after, true).is_none());
    }
}
