//! The columns of findings where they are a table.

use netpoller_proto::filter::Key;

use super::case::Case;
use super::prose::{place_in_short, severity, tone};
use crate::table::{Cell, Column, Cut};
use crate::text;

type C = Column<Case>;

/// Columns of the findings in the terminal UI.
pub(crate) static FINDINGS: [C; 5] = [
    C::words("lint", "LINT", C::ALWAYS, |case| {
        Key::text(&case.finding.lint)
    })
    .look(|case, _| Cell::toned(case.finding.lint.as_str(), tone(case.finding.severity()))),
    C::words("severity", "SEVERITY", 5, |case| {
        Key::text(severity(case.finding.severity()))
    }),
    C::words("of", "OF", 8, |case| Key::text(&case.finding.poller))
        .look(|case, context| Cell::plain(place_in_short(case, context))),
    C::numbers("since", "SINCE", 7, |case| {
        let since_ns = case.since_ns();
        since_ns.map_or(Key::Absent, |since| Key::Number(since.into()))
    })
    .look(|case, context| {
        let age = |since: u64| text::duration(context.now_ns.saturating_sub(since));
        Cell::plain(context.written(case.since_ns().map(age).unwrap_or_default()))
    }),
    C::words("summary", "SUMMARY", 6, |case| {
        Key::text(&case.finding.summary)
    })
    .least(20)
    .cut_to(Cut::End, |case| case.finding.summary.len()),
];
