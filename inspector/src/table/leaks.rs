//! What has become of the lines that open descriptors, between two answers.

use std::cmp::Reverse;
use std::collections::HashMap;

use netpoller_proto::v1::{ListSitesResponse, OpenDescriptors, Site, SiteGroup};

use super::sites::{SiteCounts, SiteRow};
use crate::text;

/// Parts of a site that are shown below it, unless all are asked for.
pub(crate) const PARTS: usize = 5;

/// A line of code: as a whole, and by peer and state.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leak {
    pub(crate) whole: SiteRow,
    pub(crate) parts: Vec<SiteRow>,
    /// Parts that the server has left out.
    pub(crate) more: u64,
}

impl Leak {
    /// Its lines for people, with so many parts at most: where it has one, the site itself says
    /// all.
    pub(crate) fn lines(self, most: usize) -> Vec<SiteRow> {
        let Leak {
            whole,
            mut parts,
            more,
        } = self;
        if more.saturating_add(parts.len() as u64) <= 1 {
            return vec![whole];
        }
        let hidden = more.saturating_add(parts.len().saturating_sub(most) as u64);
        parts.truncate(most);
        if hidden > 0 {
            parts.push(rest(&whole, &parts, hidden));
        }
        std::iter::once(whole).chain(parts).collect()
    }

    /// Its records for machines: one for each part, or one that says that nothing is open.
    pub(crate) fn records(self) -> Vec<SiteRow> {
        let Leak {
            whole,
            mut parts,
            more,
        } = self;
        if more > 0 {
            parts.push(rest(&whole, &parts, more));
        }
        if parts.is_empty() {
            return vec![whole];
        }
        for part in &mut parts {
            part.counts = whole.counts;
        }
        parts
    }
}

/// What has become of each line between two answers: the one that has grown most first, then the
/// one that has most open.
pub(crate) fn between(first: &ListSitesResponse, now: ListSitesResponse) -> Vec<Leak> {
    let over_ns = now.captured_at_ns.saturating_sub(first.captured_at_ns);
    let before: HashMap<&str, &Site> = first
        .sites
        .iter()
        .map(|site| (site.location.as_str(), site))
        .collect();
    let mut leaks: Vec<Leak> = now
        .sites
        .into_iter()
        .map(|site| {
            let before = before.get(site.location.as_str()).copied();
            leak(before, site, over_ns)
        })
        .collect();
    leaks.sort_by(|a, b| order(&a.whole).cmp(&order(&b.whole)));
    leaks
}

fn order(row: &SiteRow) -> impl Ord {
    (
        Reverse(row.grown),
        Reverse(row.live),
        row.site.is_empty(),
        row.site.clone(),
    )
}

fn leak(before: Option<&Site>, now: Site, over_ns: u64) -> Leak {
    let (opened, closed) = before.map_or((0, 0), |it| (it.opened, it.closed));
    let counts = SiteCounts {
        live: now.opened.saturating_sub(now.closed),
        grown: i128::from(now.opened)
            - i128::from(now.closed)
            - (i128::from(opened) - i128::from(closed)),
        opened: now.opened.saturating_sub(opened),
        closed: now.closed.saturating_sub(closed),
        opened_total: now.opened,
        closed_total: now.closed,
        over_ns,
    };
    let known: HashMap<(&str, &str), u64> = before
        .into_iter()
        .flat_map(|site| &site.groups)
        .map(|it| ((it.peer.as_str(), it.state.as_str()), count(it)))
        .collect();
    let part = |group: SiteGroup| {
        let live = count(&group);
        let before = known.get(&(group.peer.as_str(), group.state.as_str()));
        SiteRow {
            site: now.location.clone(),
            counts: None,
            is_below: true,
            live,
            grown: i128::from(live) - i128::from(before.copied().unwrap_or(0)),
            peer: group.peer,
            state: group.state,
            rows: group.rows.unwrap_or_default(),
        }
    };
    let mut parts: Vec<SiteRow> = now.groups.into_iter().map(part).collect();
    // Those of one size as the server has them, by peer and state.
    parts.sort_by_key(|part| (Reverse(part.grown), Reverse(part.live)));
    let rows = now.rows.unwrap_or_default();
    let whole = SiteRow {
        site: now.location.clone(),
        counts: Some(counts),
        is_below: false,
        peer: in_common(&parts, |part| &part.peer, "peers"),
        state: in_common(&parts, |part| &part.state, "states"),
        live: counts.live,
        grown: counts.grown,
        rows,
    };
    let more = now.more_groups;
    Leak { whole, parts, more }
}

fn count(group: &SiteGroup) -> u64 {
    group.rows.as_ref().map_or(0, |rows| rows.count)
}

/// What all parts have in common, or how many different ones there are.
fn in_common(parts: &[SiteRow], of: fn(&SiteRow) -> &String, what: &str) -> String {
    let mut all: Vec<&String> = parts.iter().map(of).collect();
    all.sort_unstable();
    all.dedup();
    match all[..] {
        [] => String::new(),
        [one] => one.clone(),
        _ => format!("{} {what}", all.len()),
    }
}

/// The sum, whatever a target may say.
fn total(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

/// What is not among `parts`: so many `more`.
fn rest(whole: &SiteRow, parts: &[SiteRow], more: u64) -> SiteRow {
    let sum = |of: fn(&SiteRow) -> u64| total(parts.iter().map(of));
    let grown: i128 = parts.iter().map(|part| part.grown).sum();
    let rows = &whole.rows;
    SiteRow {
        site: whole.site.clone(),
        is_below: true,
        peer: format!("({more} more)"),
        live: rows.count.saturating_sub(sum(|part| part.live)),
        grown: whole.grown - grown,
        rows: OpenDescriptors {
            waited: rows.waited.saturating_sub(sum(|part| part.rows.waited)),
            queued_bytes: rows
                .queued_bytes
                .saturating_sub(sum(|part| part.rows.queued_bytes)),
            ..OpenDescriptors::default()
        },
        ..SiteRow::default()
    }
}

/// All of it in one line.
pub(crate) fn summary(leaks: &[Leak]) -> String {
    let counts = || leaks.iter().filter_map(|leak| leak.whole.counts);
    let sum = |of: fn(SiteCounts) -> u64| text::grouped(total(counts().map(of)));
    let open = format!("{} open, from {} lines", sum(|it| it.live), leaks.len());
    match counts().map(|it| it.over_ns).max().unwrap_or(0) {
        // There was one answer yet.
        0 => open,
        over => format!(
            "{open}; {} opened and {} closed in {}",
            sum(|it| it.opened),
            sum(|it| it.closed),
            text::duration(over)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(peer: &str, state: &str, count: u64) -> SiteGroup {
        SiteGroup {
            peer: peer.into(),
            state: state.into(),
            rows: Some(OpenDescriptors {
                count,
                ..Default::default()
            }),
        }
    }

    fn site(location: &str, opened: u64, closed: u64, groups: Vec<SiteGroup>) -> Site {
        Site {
            location: location.into(),
            opened,
            closed,
            rows: Some(OpenDescriptors {
                count: opened - closed,
                ..Default::default()
            }),
            groups,
            more_groups: 0,
        }
    }

    fn answer(captured_at_ns: u64, sites: Vec<Site>) -> ListSitesResponse {
        ListSitesResponse {
            captured_at_ns,
            sites,
            ..Default::default()
        }
    }

    #[test]
    fn the_line_that_grows_most_comes_first_and_then_the_one_that_has_most() {
        let first = answer(
            1_000,
            vec![
                site("busy.rs:1", 500, 400, vec![]),
                site("leak.rs:2", 10, 0, vec![]),
                site("pool.rs:3", 50, 0, vec![]),
                site("shrinks.rs:4", 900, 0, vec![]),
            ],
        );
        let now = answer(
            3_000,
            vec![
                site("", 7, 0, vec![]),
                site("busy.rs:1", 900, 800, vec![]),
                site("leak.rs:2", 19, 1, vec![]),
                site("pool.rs:3", 50, 0, vec![]),
                site("shrinks.rs:4", 900, 5, vec![]),
            ],
        );
        let leaks = between(&first, now);
        let shown: Vec<_> = leaks
            .iter()
            .map(|leak| {
                let counts = leak.whole.counts.unwrap();
                (
                    leak.whole.site.as_str(),
                    counts.grown,
                    counts.opened,
                    counts.closed,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("leak.rs:2", 8, 9, 1),
                // It came within the interval.
                ("", 7, 7, 0),
                ("busy.rs:1", 0, 400, 400),
                ("pool.rs:3", 0, 0, 0),
                ("shrinks.rs:4", -5, 0, 5),
            ]
        );
        assert_eq!(
            summary(&leaks),
            "1 070 open, from 5 lines; 416 opened and 406 closed in 2.0µs"
        );
    }

    #[test]
    fn parts_are_told_apart_by_peer_and_state_and_what_is_not_shown_is_added_up() {
        let before = answer(
            0,
            vec![site("a.rs:1", 3, 0, vec![group("x", "SYN_SENT", 3)])],
        );
        let mut groups: Vec<_> = (0..7)
            .map(|n| group(&format!("peer {n}"), "ESTABLISHED", 1))
            .collect();
        groups.push(group("x", "SYN_SENT", 1));
        let mut now = site("a.rs:1", 30, 10, groups);
        now.more_groups = 4;
        let leaks = between(&before, answer(5, vec![now]));
        let [leak] = &leaks[..] else {
            panic!("{leaks:?}")
        };
        assert_eq!(leak.whole.peer, "8 peers");
        assert_eq!(leak.whole.state, "2 states");
        let shrunk = leak.parts.iter().find(|part| part.peer == "x").unwrap();
        assert_eq!((shrunk.live, shrunk.grown), (1, -2));
        let recorded = leak.clone().records();
        let rest = recorded.last().unwrap();
        assert_eq!((rest.peer.as_str(), rest.live), ("(4 more)", 12));
        let parts = recorded.iter();
        assert_eq!(parts.clone().map(|part| part.live).sum::<u64>(), 20);
        assert_eq!(parts.map(|part| part.grown).sum::<i128>(), leak.whole.grown);

        let shown = leak.clone().lines(PARTS);
        assert_eq!(shown.len(), 1 + PARTS + 1);
        let rest = shown.last().unwrap();
        assert_eq!((rest.peer.as_str(), rest.live), ("(7 more)", 15));
        let one = between(
            &before,
            answer(5, vec![site("a.rs:1", 3, 0, vec![group("x", "UP", 3)])]),
        );
        let [whole] = &one[0].clone().lines(PARTS)[..] else {
            panic!("one line says it all")
        };
        assert_eq!((whole.peer.as_str(), whole.state.as_str()), ("x", "UP"));
    }

    #[test]
    fn a_line_of_which_nothing_is_open_has_a_record_too() {
        let leaks = between(
            &answer(0, vec![]),
            answer(5, vec![site("a.rs:1", 8, 8, vec![])]),
        );
        let rows: Vec<_> = leaks.into_iter().flat_map(Leak::records).collect();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].live, rows[0].counts.unwrap().opened), (0, 8));
    }
}
