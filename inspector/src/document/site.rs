//! A line of code with what it has open.

use netpoller_proto::v1::OpenDescriptors;

use crate::table::{Context, SiteCounts, SiteRow};

/// An item of `leaks`: a line.
#[derive(serde::Serialize)]
pub(crate) struct SiteItem<'a> {
    /// `null` for the lines that are counted together.
    site: Option<&'a str>,
    live: u64,
    grown: i128,
    opened: u64,
    closed: u64,
    interval_ns: u64,
    opened_total: u64,
    closed_total: u64,
    #[serde(flatten)]
    rows: Rows<'a>,
    groups: Vec<Group<'a>>,
    /// Groups that are not among them, the smallest.
    more_groups: u64,
}

#[derive(serde::Serialize)]
struct Group<'a> {
    peer: Option<&'a str>,
    state: &'a str,
    live: u64,
    grown: i128,
    #[serde(flatten)]
    rows: Rows<'a>,
}

#[derive(serde::Serialize)]
struct Rows<'a> {
    waited: u64,
    queued_bytes: u64,
    age_p50_ns: Option<u64>,
    age_p90_ns: Option<u64>,
    age_p99_ns: Option<u64>,
    oldest_age_ns: Option<u64>,
    oldest_at_ns: Option<u64>,
    oldest_id: Option<&'a str>,
}

/// The line that `row` is of, and the parts of it.
pub(crate) fn site<'a>(
    row: &'a SiteRow,
    parts: &'a [SiteRow],
    more_groups: u64,
    context: &Context,
) -> SiteItem<'a> {
    let SiteCounts {
        live,
        grown,
        opened,
        closed,
        opened_total,
        closed_total,
        over_ns,
    } = row.counts.unwrap_or_default();
    let group = |part: &'a SiteRow| Group {
        peer: text(&part.peer),
        state: &part.state,
        live: part.live,
        grown: part.grown,
        rows: rows(&part.rows, context),
    };
    SiteItem {
        site: text(&row.site),
        live,
        grown,
        opened,
        closed,
        interval_ns: over_ns,
        opened_total,
        closed_total,
        rows: rows(&row.rows, context),
        groups: parts.iter().map(group).collect(),
        more_groups,
    }
}

fn text(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn rows<'a>(rows: &'a OpenDescriptors, context: &Context) -> Rows<'a> {
    let there = |number: u64| (rows.count > 0).then_some(number);
    Rows {
        waited: rows.waited,
        queued_bytes: rows.queued_bytes,
        age_p50_ns: there(rows.age_p50_ns),
        age_p90_ns: there(rows.age_p90_ns),
        age_p99_ns: there(rows.age_p99_ns),
        oldest_age_ns: there(context.now_ns.saturating_sub(rows.oldest_at_ns)),
        oldest_at_ns: there(rows.oldest_at_ns),
        oldest_id: text(&rows.oldest),
    }
}
