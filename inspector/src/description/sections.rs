//! The sections, in their order.

use netpoller_proto::Direction;
use netpoller_proto::v1::{GetDescriptorResponse, Kept, PollingThread};

use super::direction::direction;
use super::history::{history, latencies};
use super::kernel::kernel;
use super::phrases::ago;
use super::section::{Line, Part, Section};
use crate::paint::Tone;
use crate::table::{Context, Entry, epoll_names};
use crate::text;

/// All that is known of a row: with an answer to the question for it, all that the process tells.
pub(crate) fn sections(
    entry: &Entry,
    answer: Option<&GetDescriptorResponse>,
    hints: &[String],
    context: &Context,
) -> Vec<Section> {
    let mut all = vec![identity(entry, context)];
    let directions = Direction::ALL.into_iter();
    all.extend(directions.filter_map(|it| direction(entry, it, context)));
    // Nobody keeps it of a process that is read from outside.
    let is_kept = |direction| {
        let side = entry.row.side(direction);
        side.is_some_and(|side| side.transitions.is_some())
    };
    if let Some(answer) = answer {
        if Direction::ALL.into_iter().any(is_kept) {
            all.push(history(answer, context));
        }
        all.extend(latencies(&answer.histograms));
    }
    let view = answer.and_then(|answer| answer.kernel.as_ref());
    all.extend(kernel(view, entry.row.socket.as_ref(), context));
    if let Some(answer) = answer {
        all.extend(answer.kept.as_ref().map(memory));
        all.extend(pollers(&answer.polled_by));
    }
    if !hints.is_empty() {
        let mut section = Section::new(Part::Hints, "HINTS");
        section.lines = hints.iter().cloned().map(Line::Sentence).collect();
        all.push(section);
    }
    all
}

fn identity(entry: &Entry, context: &Context) -> Section {
    let row = &entry.row;
    let mut section = Section::new(Part::Identity, format!("DESCRIPTOR {}", row.key()));
    let fd = match row.fd {
        ..0 => String::new(),
        fd => fd.to_string(),
    };
    let opened = format!(
        "{}  {}",
        ago(row.opened_at_ns, context),
        row.opened_location
    );
    section.fact("fd", fd);
    section.fact("kind", row.kind().name());
    section.fact("local", &row.local);
    section.fact("peer", &row.peer);
    section.fact("label", &row.label);
    section.fact("opened", opened.trim());
    section.fact("last events", epoll_names(row.last_events));
    section.toned("flags", entry.flags(), Tone::Warn);
    section
}

/// What its runtime keeps of it.
fn memory(kept: &Kept) -> Section {
    let mut section = Section::new(Part::Memory, "MEMORY");
    section.fact("kept as", format!("{} at {:#x}", kept.r#type, kept.address));
    section.known(
        "sequence",
        kept.sequence.map_or_else(String::new, text::grouped),
    );
    section
}

/// Who polls for it, and for how long the kernel kept them from it.
fn pollers(threads: &[PollingThread]) -> Option<Section> {
    let mut section = Section::new(Part::Pollers, "POLLED BY");
    for thread in threads {
        let times = thread.ran_ns.zip(thread.run_delay_ns);
        let times = times.map_or_else(String::new, |(ran, delay)| {
            let (ran, delay) = (text::duration(ran), text::duration(delay));
            format!("ran for {ran}, waited {delay} for a processor, ever")
        });
        section.fact(&thread.name, times);
    }
    (!threads.is_empty()).then_some(section)
}
