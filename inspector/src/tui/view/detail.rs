//! One descriptor in full.

use std::sync::Arc;

use netpoller_proto::filter::{Field, Key};
use netpoller_proto::v1::{Call, Descriptor, Waiter};
use netpoller_proto::{Direction, Side};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use super::super::app::App;
use super::super::theme::Theme;
use super::widgets::{duration, popup, scrolled, toned};
use crate::model::RowKey;
use crate::paint::Tone;
use crate::table::{Context, DESCRIPTORS, Entry, epoll_names, state_cell};
use crate::text;

const NAME: usize = 18;

/// A row as it was last seen.
pub(super) struct Seen<'a> {
    pub(super) row: &'a Descriptor,
    /// The moment, from which its ages are reckoned.
    pub(super) at_ns: u64,
    /// The life of the process to which it belongs.
    pub(super) epoch: u64,
}

pub(super) fn render(app: &App, seen: &Seen<'_>, scroll: usize, frame: &mut Frame<'_>, area: Rect) {
    let row = seen.row;
    let model = &app.feed.model;
    let same = seen.epoch == model.epoch;
    let gone = if same && model.rows.contains_key(&RowKey::of(row)) {
        String::new()
    } else if same {
        let ago = duration(app.theme, model.captured_at_ns.saturating_sub(seen.at_ns));
        format!("  GONE, as last seen {ago} ago")
    } else {
        "  GONE with its process, as last seen".to_owned()
    };
    let id = if app.context().several {
        row.key()
    } else {
        row.id().to_string()
    };
    let title = format!("descriptor {id}{gone}");
    let inside = popup(app.theme, &title, frame, area);
    let counts = counts(app, row);
    let width = |area: Rect| usize::from(area.width).saturating_sub(NAME + 2);
    // The numbers stand beside the facts where there is room, so that both are seen at once.
    if inside.width >= 96 && !counts.is_empty() {
        let [left, right] =
            Layout::horizontal([Constraint::Fill(1), Constraint::Length(46)]).areas(inside);
        let facts = facts(app, seen, width(left));
        frame.render_widget(scrolled(facts, scroll, left.height), left);
        frame.render_widget(scrolled(counts, scroll, right.height), right);
    } else {
        let mut lines = facts(app, seen, width(inside));
        lines.push(Line::default());
        lines.extend(counts);
        frame.render_widget(scrolled(lines, scroll, inside.height), inside);
    }
}

fn facts(app: &App, seen: &Seen<'_>, width: usize) -> Vec<Line<'static>> {
    let theme = app.theme;
    let (row, now) = (seen.row, seen.at_ns);
    let path = |path: &str| text::cut_start(path, width, theme.ascii).into_owned();
    let context = app.context();
    let mut lines = Vec::new();
    let mut fact = |name: &str, value: String, tone: Tone| {
        if !value.is_empty() {
            lines.push(Line::from(vec![
                toned(theme, format!(" {name:<NAME$}"), Tone::Dim),
                toned(theme, value, tone),
            ]));
        }
    };
    fact(
        "fd",
        if row.fd < 0 {
            "none (a sleep)".into()
        } else {
            row.fd.to_string()
        },
        Tone::Title,
    );
    fact("kind", row.kind().name().to_owned(), Tone::Plain);
    fact("poller", row.poller.clone(), Tone::Plain);
    fact("label", row.label.clone(), Tone::Plain);
    fact("local", path(&row.local), Tone::Plain);
    fact("peer", path(&row.peer), Tone::Plain);
    let opened = context.anchor.rfc3339(row.opened_at_ns).unwrap_or_default();
    let age = duration(theme, now.saturating_sub(row.opened_at_ns));
    fact(
        "opened",
        if opened.is_empty() {
            opened
        } else {
            format!("{age} ago, {opened}")
        },
        Tone::Plain,
    );
    fact("opened at", path(&row.opened_location), Tone::Plain);
    fact("last event", epoll_names(row.last_events), Tone::Plain);
    fact(
        "closing",
        if row.closing {
            "yes".into()
        } else {
            String::new()
        },
        Tone::Warn,
    );
    fact(
        "error",
        if row.event_err {
            "the last event was an error alone".into()
        } else {
            String::new()
        },
        Tone::Bad,
    );
    fact(
        "torn",
        if row.torn {
            "changed while it was read".into()
        } else {
            String::new()
        },
        Tone::Warn,
    );
    fact(
        "stale",
        if row.stale {
            "closed or replaced behind the poller's back".into()
        } else {
            String::new()
        },
        Tone::Bad,
    );

    let sides: Vec<&Side> = Direction::ALL
        .into_iter()
        .filter_map(|direction| row.side(direction))
        .collect();
    for (direction, side) in Direction::ALL.into_iter().zip(&sides) {
        lines.push(Line::default());
        lines.extend(direction_lines(app, direction, side, now, width));
        if let Some(waiter) = described(app, row, direction) {
            lines.extend(stack_lines(app.theme, "stack", &waiter.stack, width));
            lines.extend(stack_lines(app.theme, "within", &waiter.within, width));
        }
    }
    lines.extend(socket_lines(app, seen));
    lines
}

/// Who waits, with the calls that it is in, if the process was asked for these since.
fn described<'a>(app: &'a App, row: &Descriptor, direction: Direction) -> Option<&'a Waiter> {
    let described = app.feed.described.as_deref()?;
    let waiter = described.side(direction)?.waiter.as_ref()?;
    let now = row.side(direction)?.waiter.as_ref()?;
    let is_same = RowKey::of(described) == RowKey::of(row)
        && (&waiter.task, waiter.line()) == (&now.task, now.line());
    is_same.then_some(waiter)
}

/// A fact that belongs to a title.
fn labelled(theme: Theme, name: &str, text: String, tone: Tone) -> Line<'static> {
    let name = format!("   {name:<width$}", width = NAME - 2);
    Line::from(vec![
        toned(theme, name, Tone::Dim),
        toned(theme, text, tone),
    ])
}

/// The calls that a waiter is in, the innermost first, each with its line below it.
fn stack_lines(theme: Theme, name: &str, stack: &[Call], width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for (index, call) in stack.iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        let function = text::cut_middle(&call.function, width, theme.ascii);
        lines.push(labelled(theme, name, function.into_owned(), Tone::Plain));
        if !call.location.is_empty() {
            let path = text::tail_of_path(&call.location);
            let path = text::cut_start(path, width.saturating_sub(2), theme.ascii);
            lines.push(labelled(theme, "", format!("  {path}"), Tone::Dim));
        }
    }
    lines
}

/// What the kernel knows of the socket: the fields that it has, as they stand in columns.
fn socket_lines(app: &App, seen: &Seen<'_>) -> Vec<Line<'static>> {
    let theme = app.theme;
    let mut lines = Vec::new();
    let error = &app.feed.model.sockets_error;
    if seen.row.socket.is_none() && error.is_empty() {
        return lines;
    }
    lines.push(Line::default());
    lines.push(Line::from(toned(theme, " SOCKET", Tone::Title)));
    let mut fact = |name: &str, value: String, tone: Tone| {
        lines.push(labelled(theme, name, value, tone));
    };
    if seen.row.socket.is_none() {
        fact("not known", error.clone(), Tone::Warn);
        return lines;
    }
    let context = Context {
        now_ns: seen.at_ns,
        ..app.context()
    };
    let entry = Entry {
        row: Arc::new(seen.row.clone()),
        direction: None,
    };
    for column in DESCRIPTORS.columns {
        if !column.field().is_some_and(Field::is_of_sockets) || column.key(&entry) == Key::Absent {
            continue;
        }
        let cell = column.cell(&entry, &context);
        fact(column.name, cell.text, cell.tone);
    }
    lines
}

/// How often each transition was taken.
fn counts(app: &App, row: &Descriptor) -> Vec<Line<'static>> {
    let theme = app.theme;
    let sides: Vec<&Side> = Direction::ALL
        .into_iter()
        .filter_map(|direction| row.side(direction))
        .collect();
    let mut lines = Vec::new();
    if sides.iter().all(|side| side.transitions.is_none()) {
        return lines;
    }
    lines.push(Line::from(toned(
        theme,
        format!(" {:<NAME$}{:>12}{:>12}", "TRANSITION", "READ", "WRITE"),
        Tone::Title,
    )));
    let counts: Vec<_> = sides
        .iter()
        .map(|side| side.transitions.unwrap_or_default().named())
        .collect();
    for (index, (name, _)) in netpoller_proto::v1::Transitions::default()
        .named()
        .into_iter()
        .enumerate()
    {
        let values: Vec<u64> = counts.iter().map(|named| named[index].1).collect();
        let numbers: String = values
            .iter()
            .map(|value| format!("{:>12}", text::grouped(*value)))
            .collect();
        let tone = if values.iter().all(|value| *value == 0) {
            Tone::Dim
        } else {
            Tone::Plain
        };
        lines.push(Line::from(toned(
            theme,
            format!(" {name:<NAME$}{numbers}"),
            tone,
        )));
    }
    lines
}

fn direction_lines(
    app: &App,
    direction: Direction,
    side: &Side,
    now: u64,
    width: usize,
) -> Vec<Line<'static>> {
    let theme = app.theme;
    let cell = state_cell(side.state());
    let mut first = vec![
        toned(theme, format!(" {:<NAME$}", direction.name()), Tone::Title),
        toned(theme, cell.text, cell.tone),
    ];
    if side.since_ns != 0 {
        let age = duration(theme, now.saturating_sub(side.since_ns));
        let at_least = match side.since_at_least {
            true if theme.ascii => ">=",
            true => "≥",
            false => "",
        };
        first.push(Span::raw(format!(" for {at_least}{age}")));
    }
    let mut lines = vec![Line::from(first)];
    let mut fact = |name: &str, value: String, tone: Tone| {
        if !value.is_empty() {
            lines.push(labelled(theme, name, value, tone));
        }
    };
    if let Some(waiter) = &side.waiter {
        let cut =
            |line: &str| text::cut_start(text::tail_of_path(line), width, theme.ascii).into_owned();
        fact("at", cut(&waiter.line()), Tone::Plain);
        if waiter.nearest.is_some() {
            fact("library", cut(&waiter.location), Tone::Dim);
        }
        let name = |name: &str| text::cut_middle(name, width, theme.ascii).into_owned();
        fact("task", name(&waiter.task), Tone::Plain);
        fact("thread", name(&waiter.thread), Tone::Plain);
        fact("future", name(&waiter.future), Tone::Plain);
        fact("it is", name(&waiter.task_state), Tone::Plain);
        fact("waits for", name(&waiter.reason), Tone::Plain);
    }
    match side.deadline_ns {
        0 => {}
        1 => fact("deadline", "expired".into(), Tone::Warn),
        deadline if deadline >= now => fact(
            "deadline",
            format!("in {}", duration(theme, deadline - now)),
            Tone::Plain,
        ),
        deadline => fact(
            "deadline",
            format!("{} overdue", duration(theme, now - deadline)),
            Tone::Bad,
        ),
    }
    lines
}
