//! What has changed, as machines read it.

use std::io::Write;

use serde::Serialize;

use super::print::Pair;
use crate::comparison::Compared;
use crate::document;
use crate::failure::Failure;
use crate::findings::Case;
use crate::out::Style;
use crate::table::{ChangedRow, Context, Difference, Of};
use crate::verbs::doctor::item as finding;

pub(super) const SCHEMA: &str = "netpoller/v1/diff";

/// One whole answer.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    from: End<'a>,
    to: End<'a>,
    /// Both are of the same life of one process.
    same_process: bool,
    /// `null` unless both are of the same process.
    between_ns: Option<u64>,
    /// Whether faults were looked for at both ends.
    diagnosed: bool,
    /// False if some were left out by `--limit`.
    complete: bool,
    items: Vec<Item<'a>>,
}

/// One of the two ends.
#[derive(Serialize)]
struct End<'a> {
    target: Option<&'a document::Target<'a>>,
    captured_at: Option<&'a str>,
    captured_at_ns: u64,
}

/// One thing that has changed.
#[derive(Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
enum Item<'a> {
    Finding {
        change: &'static str,
        finding: Box<finding::Item<'a>>,
    },
    Descriptor {
        change: &'static str,
        before: Option<Box<document::Descriptor<'a>>>,
        after: Option<Box<document::Descriptor<'a>>>,
    },
    Number {
        kind: &'static str,
        poller: &'a str,
        group: &'a str,
        name: &'a str,
        unit: Option<&'a str>,
        before: Option<u64>,
        after: Option<u64>,
        change: Option<i128>,
        per_second_before: Option<f64>,
        per_second_after: Option<f64>,
    },
}

fn number(it: &Difference) -> Item<'_> {
    Item::Number {
        kind: match it.of {
            Of::Level => "level",
            Of::Total => "total",
            Of::Latency => "latency",
        },
        poller: &it.poller,
        group: &it.group,
        name: &it.name,
        unit: (!it.unit.is_empty()).then_some(it.unit.as_str()),
        before: it.before,
        after: it.after,
        change: it.change(),
        per_second_before: it.rate_before,
        per_second_after: it.rate_after,
    }
}

fn descriptor<'a>(it: &'a ChangedRow, before: &Context, after: &Context) -> Item<'a> {
    let item = |entry, context| Box::new(document::descriptor(entry, context));
    Item::Descriptor {
        change: it.change(),
        before: it.before.as_ref().map(|entry| item(entry, before)),
        after: it.after.as_ref().map(|entry| item(entry, after)),
    }
}

/// What has changed, of each kind no more than --limit says; and whether that is all.
fn items<'a>(style: &Style, pair: &Pair<'_>, compared: &'a Compared) -> (Vec<Item<'a>>, bool) {
    let (before, after) = (&pair.from.context, &pair.to.context);
    let most = style.limit.unwrap_or(usize::MAX);
    let finding = |change, case: &'a Case, context: &Context| Item::Finding {
        change,
        finding: Box::new(finding::of(case, context)),
    };
    let found = compared.found.iter();
    let found = found.flat_map(|found| {
        let new = found.new.iter().map(|it| finding("new", it, after));
        let gone = found.gone.iter().map(|it| finding("gone", it, before));
        let still = found.still.iter().map(|it| finding("still", it, after));
        new.chain(gone).chain(still).collect::<Vec<_>>()
    });
    let mut all: Vec<Item<'a>> = found.take(most).collect();
    let rows = compared.descriptors.iter().take(most);
    all.extend(rows.map(|it| descriptor(it, before, after)));
    all.extend(compared.numbers.iter().take(most).map(number));
    let counts = [
        compared
            .found
            .as_ref()
            .map_or(0, |it| it.new.len() + it.gone.len() + it.still.len()),
        compared.descriptors.len(),
        compared.numbers.len(),
    ];
    (all, counts.into_iter().all(|count| count <= most))
}

pub(super) fn document(
    out: &mut dyn Write,
    style: &Style,
    pair: &Pair<'_>,
    compared: &Compared,
) -> Result<(), Failure> {
    let [from, to] = [&pair.from, &pair.to].map(|head| End {
        target: head.target.as_ref(),
        captured_at: head.captured_at.as_deref(),
        captured_at_ns: head.context.now_ns,
    });
    let (items, complete) = items(style, pair, compared);
    let document = Document {
        schema: SCHEMA,
        from,
        to,
        same_process: compared.same_life,
        between_ns: compared.between_ns,
        diagnosed: compared.found.is_some(),
        complete,
        items,
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    Ok(out.write_all(b"\n")?)
}

/// A line for each.
pub(super) fn lines(
    out: &mut dyn Write,
    style: &Style,
    pair: &Pair<'_>,
    compared: &Compared,
) -> Result<(), Failure> {
    for item in items(style, pair, compared).0 {
        serde_json::to_writer(&mut *out, &item)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
