//! Who waits in a direction, since when, until when, and how it last ended.

use netpoller_proto::Direction;
use netpoller_proto::v1::{Call, Queued, Waiter};

use super::phrases::{ago, beside, person, wake_lines};
use super::section::{Line, Part, Section};
use crate::paint::Tone;
use crate::table::{Context, Entry, at_least, state_cell};
use crate::text;

/// Of those who wait for the descriptor's lock; the document and `ls waiters` have all.
const QUEUED: usize = 8;

pub(super) fn direction(entry: &Entry, direction: Direction, context: &Context) -> Option<Section> {
    let side = entry.row.side(direction)?;
    let title = direction.name().to_uppercase();
    let mut section = Section::new(Part::Direction(direction), title);
    let state = state_cell(side.state());
    let age = context.now_ns.saturating_sub(side.since_ns);
    let since = match side.since_ns {
        0 => String::new(),
        _ if side.since_at_least => format!(" at each look for {}", at_least(age, context)),
        _ => format!(" for {}", text::duration(age)),
    };
    section.toned("state", format!("{}{since}", state.text), state.tone);
    if let Some(waiter) = &side.waiter {
        who(&mut section, waiter);
    }
    let mut above = side.waiter.as_ref().map(|it| &it.stack);
    for other in &side.others {
        section.fact("and", beside(other));
        match above {
            Some(stack) if !stack.is_empty() && *stack == other.stack => {
                section.fact("stack", "the same");
            }
            _ => {
                calls(&mut section, "stack", &other.stack);
                calls(&mut section, "within", &other.within);
            }
        }
        above = Some(&other.stack);
    }
    queued(&mut section, &side.queued, context);
    let (deadline, tone) = deadline(entry, direction, context);
    section.toned("deadline", deadline, tone);
    if let Some(wake) = &side.last_wake {
        for (name, value) in wake_lines(wake, &ago(wake.fetched_ns, context)) {
            section.fact(name, value);
        }
    }
    if let Some(transitions) = side.transitions {
        let counts: Vec<String> = transitions
            .named()
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{name} {}", text::grouped(count)))
            .collect();
        section.fact("transitions", counts.join(", "));
    }
    Some(section)
}

fn who(section: &mut Section, waiter: &Waiter) {
    // One without a name is called by its number already.
    let id = match waiter.task_id {
        0 => String::new(),
        id if waiter.task.trim_start_matches('G') == id.to_string() => String::new(),
        id => format!(" (task {id})"),
    };
    section.fact("task", format!("{}{id}", waiter.task).trim());
    section.fact("thread", &waiter.thread);
    section.known("future", &waiter.future);
    section.known("task state", &waiter.task_state);
    section.known("waits for", &waiter.reason);
    section.fact("waits at", text::tail_of_path(&waiter.line()));
    calls(section, "stack", &waiter.stack);
    calls(section, "within", &waiter.within);
    if waiter.nearest.is_some() {
        section.fact("library's line", &waiter.location);
    }
}

/// The calls that a waiter is in, the innermost first, each with its line below it.
fn calls(section: &mut Section, name: &str, stack: &[Call]) {
    for (index, call) in stack.iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        section.fact(name, &call.function);
        if !call.location.is_empty() {
            let line = text::tail_of_path(&call.location).to_owned();
            section.lines.push(Line::Below(line));
        }
    }
}

/// Who waits for the descriptor's lock, in order of arrival.
fn queued(section: &mut Section, queued: &[Queued], context: &Context) {
    for (index, one) in queued.iter().take(QUEUED).enumerate() {
        let name = if index == 0 { "queued" } else { "" };
        let who = one.waiter.as_ref().map(person).unwrap_or_default();
        let age = text::duration(context.now_ns.saturating_sub(one.since_ns));
        section.fact(name, format!("{who}, for {age}"));
    }
    if let more @ 1.. = queued.len().saturating_sub(QUEUED) {
        section.fact("", format!("and {more} more: netpoller ls waiters"));
    }
}

fn deadline(entry: &Entry, direction: Direction, context: &Context) -> (String, Tone) {
    let one = Entry {
        row: entry.row.clone(),
        direction: Some(direction),
    };
    match one.deadline_in(context.now_ns) {
        _ if one.expired() => ("expired".to_owned(), Tone::Warn),
        None => (String::new(), Tone::Plain),
        Some(left) => {
            let size = text::duration(u64::try_from(left.unsigned_abs()).unwrap_or(u64::MAX));
            match left {
                ..0 => (format!("{size} overdue"), Tone::Bad),
                _ => (format!("in {size}"), Tone::Plain),
            }
        }
    }
}
