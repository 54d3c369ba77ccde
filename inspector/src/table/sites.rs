//! Rows of `leaks`.

use netpoller_proto::filter::Key;
use netpoller_proto::v1::OpenDescriptors;

use super::cell::{Cell, Context};
use super::column::{Column, Cut};
use super::value::{Raw, Value};
use crate::paint::Tone;
use crate::text;

/// A line of code with what it has open, or the part of that with one peer and one state.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SiteRow {
    /// "file:line"; empty for the lines that are counted together.
    pub(crate) site: String,
    /// What the site has done; a part of it has only what is open.
    pub(crate) counts: Option<SiteCounts>,
    /// It stands below its site, which need not be named again.
    pub(crate) is_below: bool,
    pub(crate) peer: String,
    pub(crate) state: String,
    /// What is open now.
    pub(crate) live: u64,
    /// What is open now and was not, less what was and is not.
    pub(crate) grown: i128,
    pub(crate) rows: OpenDescriptors,
}

/// What a site has opened and closed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct SiteCounts {
    /// Open now.
    pub(crate) live: u64,
    /// Within the interval, as the two that follow.
    pub(crate) grown: i128,
    pub(crate) opened: u64,
    pub(crate) closed: u64,
    /// Since the pollers were made.
    pub(crate) opened_total: u64,
    pub(crate) closed_total: u64,
    /// The interval.
    pub(crate) over_ns: u64,
}

type C = Column<SiteRow>;

fn number(number: Option<impl Into<i128>>) -> Key {
    number.map_or(Key::Absent, |number| Key::Number(number.into()))
}

/// With its sign, for it may be either.
fn grown(grown: i128) -> Cell {
    let size = text::grouped(u64::try_from(grown.unsigned_abs()).unwrap_or(u64::MAX));
    match grown {
        0 => Cell::toned("0", Tone::Dim),
        1.. => Cell::toned(format!("+{size}"), Tone::Warn),
        _ => Cell::plain(format!("-{size}")),
    }
}

/// The age of the row that says so; nothing where there is no row.
fn age(row: &SiteRow, age: fn(&OpenDescriptors) -> u64) -> Key {
    number((row.rows.count > 0).then(|| age(&row.rows)))
}

fn age_cell(row: &SiteRow, context: &Context, of: fn(&OpenDescriptors) -> u64) -> Cell {
    match row.rows.count {
        0 => Cell::plain(""),
        _ => Cell::plain(context.written(text::duration(of(&row.rows)))),
    }
}

fn oldest_ns(row: &SiteRow, context: &Context) -> Option<u64> {
    (row.rows.count > 0).then(|| context.now_ns.saturating_sub(row.rows.oldest_at_ns))
}

const SITE: C = C::words("site", "SITE", C::ALWAYS, |row| Key::text(&row.site))
    .least(14)
    .cut_to(
        Cut::Start(Some(|row| text::file_and_line(&row.site))),
        |row| row.site.len(),
    )
    .look(|row, _| match (row.is_below, row.site.as_str()) {
        (true, _) => Cell::exactly("", Tone::Plain),
        (false, "") => Cell::toned("(others)", Tone::Dim),
        (false, site) => Cell::toned(site, Tone::Title),
    });
const PEER: C = C::words("peer", "PEER", 150, |row| Key::text(&row.peer))
    .least(9)
    .cut_to(Cut::Middle, |row| row.peer.len());
const STATE: C = C::words("state", "STATE", 180, |row| Key::text(&row.state));
const LIVE: C = C::numbers("live", "LIVE", C::ALWAYS, |row| {
    Key::Number(row.live.into())
})
.grouped();
const GROWN: C = C::numbers("grown", "GROWN", C::ALWAYS, |row| Key::Number(row.grown))
    .look(|row, _| grown(row.grown));
const OPENED: C = C::numbers("opened", "OPENED", 120, |row| {
    number(row.counts.map(|it| it.opened))
})
.grouped();
const CLOSED: C = C::numbers("closed", "CLOSED", 110, |row| {
    number(row.counts.map(|it| it.closed))
})
.grouped();
const P50: C = C::numbers("age_p50_ns", "AGE P50", 90, |row| {
    age(row, |rows| rows.age_p50_ns)
})
.look(|row, context| age_cell(row, context, |rows| rows.age_p50_ns));
const P90: C = C::numbers("age_p90_ns", "P90", 60, |row| {
    age(row, |rows| rows.age_p90_ns)
})
.look(|row, context| age_cell(row, context, |rows| rows.age_p90_ns));
const P99: C = C::numbers("age_p99_ns", "P99", 70, |row| {
    age(row, |rows| rows.age_p99_ns)
})
.look(|row, context| age_cell(row, context, |rows| rows.age_p99_ns));
const OLDEST: C = C::numbers("oldest", "OLDEST", 200, |row| {
    age(row, |rows| rows.oldest_at_ns)
})
.look(|row, context| {
    let age = oldest_ns(row, context).map(text::duration);
    Cell::plain(context.written(age.unwrap_or_default()))
})
.raw(&[
    Raw {
        name: "oldest_age_ns",
        value: |row, context| Value::number(oldest_ns(row, context)),
    },
    Raw {
        name: "oldest_at_ns",
        value: |row, _| age(row, |rows| rows.oldest_at_ns).into(),
    },
    Raw {
        name: "oldest_id",
        value: |row, _| Value::text(row.rows.oldest.clone()),
    },
]);
const ID: C = C::words("oldest_id", "ID", 100, |row| Key::text(&row.rows.oldest))
    .cut_to(Cut::Middle, |row| row.rows.oldest.len());
const WAITED: C = C::numbers("waited", "WAITED", 130, |row| {
    Key::Number(row.rows.waited.into())
})
.grouped();
const QUEUED: C = C::numbers("queued_bytes", "QUEUED", 80, |row| {
    Key::Number(row.rows.queued_bytes.into())
})
.grouped();

/// Columns of `leaks`.
pub(crate) static SITES: [C; 13] = [
    SITE, PEER, STATE, LIVE, GROWN, OPENED, CLOSED, WAITED, QUEUED, P50, P90, P99, OLDEST,
];

/// The same with the oldest, to be described.
pub(crate) static SITES_WIDE: [C; 14] = [
    SITE, PEER, STATE, LIVE, GROWN, OPENED, CLOSED, WAITED, QUEUED, P50, P90, P99, OLDEST, ID,
];

const fn of_site(name: &'static str, key: fn(&SiteRow) -> Key) -> C {
    C::numbers(name, "", 0, key)
}

/// Records of `leaks` for machines: one for each part of a site, with what the site has done.
pub(crate) static SITE_RECORDS: [C; 18] = [
    SITE,
    PEER,
    STATE,
    LIVE,
    GROWN,
    WAITED,
    QUEUED,
    P50,
    P90,
    P99,
    OLDEST,
    of_site("site_live", |row| number(row.counts.map(|it| it.live))),
    of_site("site_grown", |row| number(row.counts.map(|it| it.grown))),
    of_site("site_opened", |row| number(row.counts.map(|it| it.opened))),
    of_site("site_closed", |row| number(row.counts.map(|it| it.closed))),
    of_site("site_opened_total", |row| {
        number(row.counts.map(|it| it.opened_total))
    }),
    of_site("site_closed_total", |row| {
        number(row.counts.map(|it| it.closed_total))
    }),
    of_site("interval_ns", |row| number(row.counts.map(|it| it.over_ns))),
];
