//! The flight recorder as it goes on: event by event, the newest at the top, or counted.

use std::sync::Arc;

use netpoller_proto::v1::Descriptor;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::super::app::{App, Body, Steps, View, Wants};
use super::sheet::chosen;
use super::widgets::toned;
use crate::paint::Tone;
use crate::query::Scope;
use crate::table::{EVENT_COUNTS_BY_PLACE, EVENTS};
use crate::text;

pub(super) const VIEW: View = View {
    title: "Events",
    key: '7',
    help: "events of the flight recorder, as they come",
    wants: Wants::Events,
    scope: Some(Scope::Events),
    body: Body::Drawn {
        render,
        steps: Steps {
            count: |app| app.events.len(),
            name,
            descriptor,
        },
    },
};

/// At the top there is always what came last.
fn name(app: &App, step: usize) -> Option<String> {
    let events = &app.events;
    match events.are_counted {
        _ if step == 0 => None,
        true => {
            let group = &events.counts.get(step)?.group;
            Some(format!("{group:?}"))
        }
        false => Some(events.shown.get(step)?.0.to_string()),
    }
}

fn descriptor(app: &App, step: usize) -> Option<Arc<Descriptor>> {
    if app.events.are_counted {
        return None;
    }
    let (_, event) = app.events.shown.get(step)?;
    app.row_of(event)
}

fn render(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let (theme, events, tail) = (app.theme, &app.events, &app.feed.events);
    let width = usize::from(area.width);
    let mut said = match events.are_counted {
        true => {
            let all = events.counts.first().map_or(0, |count| count.all);
            format!(" {} events, by where and what they are", text::grouped(all))
        }
        false => format!(
            " the last {} events",
            text::grouped(events.shown.len() as u64)
        ),
    };
    if tail.lost > 0 {
        said.push_str(&format!(
            "; {} came too fast and are lost",
            text::count(tail.lost)
        ));
    }
    let mut head = vec![Line::from(toned(theme, said, Tone::Dim))];
    if !tail.trouble.is_empty() {
        let trouble = format!(" {}", tail.trouble);
        head.push(Line::from(toned(theme, trouble, Tone::Warn)));
    }
    let height = u16::try_from(head.len()).unwrap_or(u16::MAX);
    let [above, below] =
        Layout::vertical([Constraint::Max(height), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Paragraph::new(head).wrap(Wrap { trim: false }), above);
    if events.len() == 0 {
        let words = match app.filter.text.trim().is_empty() {
            true => "no event has come yet",
            false => "no event has come that the filter admits; esc clears it",
        };
        let line = Line::from(toned(theme, words, Tone::Dim)).centered();
        frame.render_widget(Paragraph::new(vec![Line::default(), line]), below);
        return;
    }
    let context = app.context();
    // Only what is on the screen is made.
    let visible = usize::from(below.height.saturating_sub(1)).max(1);
    let selected = app.step().min(events.len() - 1);
    let first = (selected + 1).saturating_sub(visible);
    let room = (width, visible + 1);
    let lines = if events.are_counted {
        let rows: Vec<_> = events
            .counts
            .iter()
            .skip(first)
            .take(visible)
            .cloned()
            .collect();
        chosen(
            app,
            &context,
            &EVENT_COUNTS_BY_PLACE,
            &rows,
            selected - first,
            room,
        )
    } else {
        let rows = events.shown.iter().skip(first).take(visible);
        let rows: Vec<_> = rows.map(|(_, event)| event.clone()).collect();
        chosen(app, &context, &EVENTS, &rows, selected - first, room)
    };
    frame.render_widget(Paragraph::new(lines), below);
}
