//! One descriptor in full: what `describe` tells of it, in as many columns as there is room for.

mod lines;
mod states;
mod wake;

use std::sync::Arc;

use netpoller_proto::v1::{Descriptor, GetDescriptorResponse};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;

use super::super::app::{App, Detail};
use super::areas::areas;
use super::findings;
use super::widgets::{duration, more_below, popup, scrolled};
use crate::description::{Part, Section, hints, sections};
use crate::model::RowKey;
use crate::table::{Context, Entry};

/// From this width on there are two columns, and three.
const TWO: u16 = 100;
const THREE: u16 = 180;

/// An answer that is older than the row by so much tells of the past only.
const OLD_NS: u64 = 2_500_000_000;

pub(super) fn render(app: &App, detail: &Detail, frame: &mut Frame<'_>, area: Rect) {
    let inside = popup(app.theme, &title(app, detail), frame, area);
    let columns = columns(app, detail, inside.width);
    let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
    let places = Layout::horizontal(columns.iter().map(|_| Constraint::Fill(1)))
        .spacing(1)
        .split(inside);
    for (lines, place) in columns.into_iter().zip(places.iter()) {
        let most = longest.saturating_sub(usize::from(inside.height));
        let scroll = detail.scroll.min(most);
        frame.render_widget(scrolled(lines, scroll, place.height), *place);
    }
    let seen = detail.scroll + usize::from(inside.height);
    more_below(app.theme, longest.saturating_sub(seen), frame, area);
}

/// By how many lines it can be scrolled.
pub(crate) fn room_below(app: &App, detail: &Detail) -> usize {
    let [_, _, body, _] = areas(Rect::new(0, 0, app.size.0, app.size.1));
    let columns = columns(app, detail, body.width.saturating_sub(2));
    let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
    longest.saturating_sub(usize::from(body.height.saturating_sub(2)))
}

fn title(app: &App, detail: &Detail) -> String {
    let model = &app.feed.model;
    let same = detail.epoch == model.epoch;
    let gone = if same && model.rows.contains_key(&RowKey::of(&detail.last)) {
        String::new()
    } else if same {
        let ago = duration(
            app.theme,
            model.captured_at_ns.saturating_sub(detail.seen_ns),
        );
        format!("  GONE, as last seen {ago} ago")
    } else {
        "  GONE with its process, as last seen".to_owned()
    };
    let id = match app.context().several {
        true => detail.last.key(),
        false => detail.last.id().to_string(),
    };
    format!("descriptor {id}{gone}")
}

/// The row, what the process has told of it beside, and the moment from which its ages are
/// reckoned.
fn told(detail: &Detail) -> (Arc<Descriptor>, Option<&GetDescriptorResponse>, u64) {
    let answer = detail.answer.as_deref();
    let recent = answer.filter(|it| it.captured_at_ns.saturating_add(OLD_NS) >= detail.seen_ns);
    match recent.and_then(|it| Some((it.descriptor.clone()?, it.captured_at_ns))) {
        Some((row, at_ns)) => (Arc::new(row), answer, at_ns),
        None => (Arc::clone(&detail.last), answer, detail.seen_ns),
    }
}

/// The lines of each column.
fn columns(app: &App, detail: &Detail, width: u16) -> Vec<Vec<Line<'static>>> {
    let (row, answer, now_ns) = told(detail);
    let context = Context {
        now_ns,
        ..app.context()
    };
    let entry = Entry {
        row,
        direction: None,
    };
    let hints = answer.map(hints).unwrap_or_default();
    let sections = sections(&entry, answer, &hints, &context);
    let count = match width {
        THREE.. => 3,
        TWO.. => 2,
        _ => 1,
    };
    let room = usize::from(width / count).saturating_sub(usize::from(count > 1));
    let mut columns = vec![Vec::new(); usize::from(count)];
    let found = findings::of(app, &entry.row, room);
    // Where there is more to say than what it is, that gives way.
    let is_crowded = !found.is_empty() || !hints.is_empty();
    if let Some(first) = columns.first_mut() {
        first.extend(found);
    }
    // What it may mean comes first.
    let (first, rest): (Vec<Section>, Vec<Section>) =
        sections.into_iter().partition(|it| it.part == Part::Hints);
    for section in first.into_iter().chain(rest) {
        if let Some(column) = columns.get_mut(place(section.part, count, is_crowded)) {
            if !column.is_empty() {
                column.push(Line::default());
            }
            column.extend(lines::of(app, &entry, &section, &context, room));
        }
    }
    columns
}

/// The column in which a part stands.
fn place(part: Part, columns: u16, is_crowded: bool) -> usize {
    match (part, columns) {
        (_, ..=1) => 0,
        (Part::Identity, 2) => usize::from(is_crowded),
        (Part::Hints | Part::Identity, _) => 0,
        (Part::Direction(_), 2) => 0,
        (Part::Memory | Part::Pollers, 3..) => 0,
        (Part::Direction(_), _) => 1,
        (_, 2) => 1,
        _ => 2,
    }
}
