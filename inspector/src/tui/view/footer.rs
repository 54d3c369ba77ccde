//! The line at the bottom: the filter while it is typed, else the keys; at its right, where in the
//! table we are.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::app::{App, Overlay, TableState, Wants};
use super::super::binding::{Action, Binding};
use super::areas::rows_visible;
use super::widgets::toned;
use crate::paint::Tone;
use crate::text;

pub(super) fn render(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let place = place(app);
    let taken = u16::try_from(place.width())
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    let left = Rect {
        width: area.width.saturating_sub(taken),
        ..area
    };
    frame.render_widget(Paragraph::new(place.right_aligned()), area);
    if let Some(command) = &app.command {
        let error = command.error.as_deref();
        prompt(app, ":", &command.text, error, frame, left);
    } else if app.filter.editing {
        let error = app.filter.error.as_deref();
        prompt(app, "/", &app.filter.text, error, frame, left);
    } else if let Some(notice) = &app.notice {
        let (words, tone) = match notice {
            Ok(done) => (done, Tone::Good),
            Err(why) => (why, Tone::Bad),
        };
        let line = Line::from(toned(app.theme, format!(" {words}"), tone));
        frame.render_widget(Paragraph::new(line), left);
    } else {
        frame.render_widget(Paragraph::new(keys(app, left.width)), left);
    }
}

/// What is typed behind its sign, and what is wrong with it.
fn prompt(
    app: &App,
    sign: &str,
    typed: &str,
    error: Option<&str>,
    frame: &mut Frame<'_>,
    area: Rect,
) {
    let theme = app.theme;
    let room = usize::from(area.width.saturating_sub(3));
    // The end is where letters are added, so the beginning gives way.
    let mut shown = typed;
    while text::width(shown) > room {
        let mut letters = shown.chars();
        letters.next();
        shown = letters.as_str();
    }
    let mut spans = vec![
        Span::styled(format!(" {sign}"), theme.key()),
        Span::raw(shown.to_owned()),
    ];
    if let Some(error) = error {
        spans.push(toned(theme, format!("   {error}"), Tone::Bad));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
    let column = u16::try_from(text::width(shown))
        .unwrap_or(u16::MAX)
        .saturating_add(2);
    if area.width > 0 && area.height > 0 {
        frame.set_cursor_position(Position {
            x: area.x.saturating_add(column.min(area.width - 1)),
            y: area.y,
        });
    }
}

fn keys(app: &App, room: u16) -> Line<'static> {
    let theme = app.theme;
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    if !app.filter.text.is_empty() {
        let shown = text::cut(&app.filter.text, 40, theme.ascii).into_owned();
        let tone = if app.filter.error.is_some() {
            Tone::Bad
        } else {
            Tone::Warn
        };
        let label = format!("filter: {shown}  ");
        used += text::width(&label);
        spans.push(toned(theme, label, tone));
        if let Some(error) = &app.filter.error {
            used += text::width(error) + 2;
            spans.push(toned(theme, format!("{error}  "), Tone::Bad));
        }
    }
    if let Some((by, key)) = app.table().and_then(|table| table.within.as_ref()) {
        let key = if key.is_empty() { "(none)" } else { key };
        let shown = text::cut_start(text::tail_of_path(key), 40, theme.ascii);
        let label = format!("{}: {shown}  ", by.name());
        used += text::width(&label);
        spans.push(toned(theme, label, Tone::Warn));
    }
    let bindings = app.keymap.bindings().iter();
    for binding in bindings.filter(|binding| is_offered(binding, app)) {
        let key = binding.label(theme.ascii);
        let word = if app.frozen.is_some() && binding.footer == "freeze" {
            "thaw"
        } else {
            binding.footer
        };
        let needed = text::width(&key) + 1 + text::width(word) + 2;
        if used + needed > usize::from(room) {
            break;
        }
        used += needed;
        spans.push(Span::styled(key, theme.key()));
        spans.push(toned(theme, format!(" {word}  "), Tone::Dim));
    }
    Line::from(spans)
}

/// Returns whether the footer of this screen has it: whether there is something to do it with.
fn is_offered(binding: &Binding, app: &App) -> bool {
    let is_over = app.overlay.is_some();
    let is_here = match binding.action {
        Action::Open => {
            let group = app.table().and_then(TableState::group);
            !is_over && (app.descriptor().is_some() || group.is_some())
        }
        Action::Filter => !is_over && app.view().is_some_and(|view| view.scope.is_some()),
        Action::Command | Action::Targets => !is_over,
        Action::Sleeps => !is_over && app.table().is_some(),
        Action::Aggregate => !is_over && app.wants(Wants::Events),
        Action::Interval | Action::OverTime => !is_over && app.wants(Wants::Latencies),
        Action::Poller => !is_over && app.wants(Wants::Latencies) && app.pollers().len() > 1,
        Action::Group => !is_over && app.table().is_some(),
        Action::SortNext | Action::SortInvert | Action::Columns => {
            !is_over && app.table().is_some_and(|table| table.by.is_none())
        }
        Action::Left | Action::Right => match app.overlay {
            None => app.wants(Wants::Latencies) && !app.latency.is_over_time,
            Some(_) => matches!(app.overlay, Some(Overlay::Detail(_))),
        },
        Action::TimeBack => app.feed.server.is_some(),
        Action::TimeForth => app.recording().is_some(),
        Action::Back => {
            let is_within = app.table().is_some_and(|table| table.within.is_some());
            is_over || app.feed.is_remembered || is_within
        }
        _ => true,
    };
    is_here && !binding.footer.is_empty()
}

fn place(app: &App) -> Line<'static> {
    let table = match &app.overlay {
        None => app.table(),
        Some(_) => None,
    };
    let Some(table) = table else {
        return Line::default();
    };
    let all = table.len();
    if all == 0 {
        return Line::from(toned(app.theme, "no rows ", Tone::Dim));
    }
    let first = table.offset.min(all - 1) + 1;
    let last = (table.offset + rows_visible(app)).min(all).max(first);
    Line::from(vec![
        Span::raw(format!("{first}-{last}")),
        toned(app.theme, " of ", Tone::Dim),
        Span::raw(format!("{} ", text::grouped(all as u64))),
    ])
}
