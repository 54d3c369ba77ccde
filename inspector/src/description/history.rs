//! What has happened to it, and how long that took.

use netpoller_proto::v1::{GetDescriptorResponse, Histogram};

use super::hints::name_of;
use super::section::{Line, Part, Section};
use crate::paint::Tone;
use crate::quantile;
use crate::table::{Align, Context, detail};
use crate::text;

/// Transitions shown; the document has all.
const SHOWN: usize = 16;

pub(super) fn history(answer: &GetDescriptorResponse, context: &Context) -> Section {
    let events = &answer.history;
    let left_out = events.len().saturating_sub(SHOWN);
    let title = match left_out {
        0 => "LAST TRANSITIONS".to_owned(),
        more => format!("LAST TRANSITIONS ({more} older ones: --format json)"),
    };
    let mut section = Section::new(Part::History, title);
    if events.is_empty() {
        section.fact("none", "");
    }
    for event in events.iter().skip(left_out) {
        let age = text::duration(context.now_ns.saturating_sub(event.at_ns));
        let direction = name_of(event.direction()).to_owned();
        let kind = event.kind().name().to_owned();
        let thread = event.thread.clone();
        section.lines.push(Line::Cells(vec![
            (format!("  -{age}"), Tone::Dim, Align::Right, 11),
            (direction, Tone::Plain, Align::Left, 5),
            (kind, Tone::Title, Align::Left, 17),
            (detail(event, context), Tone::Plain, Align::Left, 24),
            (thread, Tone::Dim, Align::Left, 32),
        ]));
    }
    section
}

pub(super) fn latencies(histograms: &[Histogram]) -> Option<Section> {
    let title = "LATENCIES, as far back as the flight recorder reaches";
    let mut section = Section::new(Part::Latencies, title);
    for histogram in histograms.iter().filter(|histogram| histogram.count > 0) {
        let quantiles = quantile::SHOWN.map(|(name, share)| {
            let value = histogram.quantile(share).unwrap_or(0);
            format!("{name} {}", text::sample(value, &histogram.unit))
        });
        let count = text::grouped(histogram.count);
        let line = format!("{}, of {count}", quantiles.join("  "));
        section.fact(&histogram.name, line);
    }
    (!section.lines.is_empty()).then_some(section)
}
