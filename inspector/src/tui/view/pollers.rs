//! Pollers, laws, transitions and counters, one below the other or side by side.

use std::collections::BTreeMap;

use netpoller_proto::v1::{GetStatsResponse, Law, Transitions};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::app::{App, Body, View};
use super::histogram::sparkline;
use super::widgets::{field, name_field, scrolled, toned};
use crate::model::Model;
use crate::paint::Tone;
use crate::table::{Align, Fit, POLLERS, fit, law_state};
use crate::text;

pub(super) const VIEW: View = View {
    title: "Pollers",
    key: '4',
    help: "pollers, counters and laws",
    body: Body::Drawn {
        render,
        steps: |app| lines(app, app.size.0).len(),
    },
};

fn render(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let lines = lines(app, area.width);
    if lines.is_empty() {
        let line = Line::from(toned(
            app.theme,
            "waiting for the first statistics",
            Tone::Dim,
        ))
        .centered();
        frame.render_widget(Paragraph::new(line), area);
        return;
    }
    frame.render_widget(scrolled(lines, app.step(), area.height), area);
}

/// The whole view; it is scrolled when it is shown.
fn lines(app: &App, width: u16) -> Vec<Line<'static>> {
    let Some(stats) = app.feed.model.stats.as_deref() else {
        return Vec::new();
    };
    let width = usize::from(width);
    let mut lines = pollers(app, stats, width);
    lines.push(Line::default());
    lines.extend(activity(app, width));
    lines.push(Line::default());
    lines.extend(laws(app, stats, width));
    lines.push(Line::default());
    let (left, right) = (transitions(app, stats), counters(app, stats));
    if width >= 112 {
        lines.extend(beside(left, right, 60));
    } else {
        lines.extend(left);
        lines.push(Line::default());
        lines.extend(right);
    }
    lines
}

fn pollers(app: &App, stats: &GetStatsResponse, width: usize) -> Vec<Line<'static>> {
    let theme = app.theme;
    let context = app.context();
    let rows: Vec<_> = stats
        .pollers
        .iter()
        .filter_map(|stats| stats.poller.as_ref())
        .collect();
    let wanted = POLLERS
        .iter()
        .filter(|column| !column.wide)
        .map(|column| {
            let widest = rows
                .iter()
                .map(|row| text::width(&column.cell(row, &context).text))
                .max()
                .unwrap_or(0);
            let width = widest.max(column.title.len()).max(column.least.into());
            Fit::new(column, width, rows.iter().copied())
        })
        .collect();
    let fits = fit(wanted, width.saturating_sub(2));
    let align = |fit: &Fit<_>, content: &str| {
        field(
            &fit.column.cut(content, fit.width, theme.ascii),
            fit.width,
            fit.column.align == Align::Right,
            theme.ascii,
        )
    };
    let titles: Vec<String> = fits
        .iter()
        .map(|fit| align(fit, fit.column.title))
        .collect();
    let mut lines = vec![heading(app, &titles.join("  "), width)];
    for row in rows {
        let mut spans = vec![Span::raw(" ")];
        for (index, fit) in fits.iter().enumerate() {
            if index > 0 {
                spans.push(Span::raw("  "));
            }
            let cell = fit.column.cell(row, &context);
            spans.push(toned(theme, align(fit, &cell.text), cell.tone));
        }
        lines.push(Line::from(spans));
    }
    lines
}

/// What happened in the last minutes.
fn activity(app: &App, width: usize) -> Vec<Line<'static>> {
    let theme = app.theme;
    let model: &Model = &app.feed.model;
    let waiters: Vec<u64> = model.samples.iter().map(|sample| sample.waiters).collect();
    let series = [
        ("waiters", waiters, false),
        ("edges/s", model.rates(|sample| sample.edges), true),
        ("parks/s", model.rates(|sample| sample.parks), true),
    ];
    let mut lines = vec![heading(app, "ACTIVITY", width)];
    for (name, values, rate) in series {
        let latest = values.last().copied().unwrap_or(0);
        #[allow(clippy::cast_precision_loss)]
        let latest = if rate {
            text::rate(latest as f64)
        } else {
            text::count(latest)
        };
        let room = width.saturating_sub(25);
        let shown = &values[values.len().saturating_sub(room)..];
        lines.push(Line::from(vec![
            Span::raw(format!(" {name:<10}{latest:>9}  ")),
            Span::styled(sparkline(shown, theme.heights()), theme.bar()),
        ]));
    }
    lines
}

fn laws(app: &App, stats: &GetStatsResponse, width: usize) -> Vec<Line<'static>> {
    let theme = app.theme;
    let several = stats.pollers.len() > 1;
    let title = |name: &str, law: &Law| {
        if several {
            format!("{name}/{}", law.name)
        } else {
            law.name.clone()
        }
    };
    let named = stats.pollers.iter().flat_map(|stats| {
        let name = stats.poller.as_ref().map_or("", |it| it.name.as_str());
        stats.laws.iter().map(move |law| title(name, law).len())
    });
    // As long as the longest name, as far as the numbers beside it have room.
    let room = named
        .max()
        .unwrap_or(0)
        .clamp(21, width.saturating_sub(39).max(21));
    let mut lines = vec![heading(
        app,
        &format!(
            "{:<room$} {:>12} {:>12}  STATE     STATEMENT",
            "LAW", "LEFT", "RIGHT"
        ),
        width,
    )];
    for poller in &stats.pollers {
        let name = poller
            .poller
            .as_ref()
            .map_or("", |poller| poller.name.as_str());
        for law in &poller.laws {
            let title = name_field(&title(name, law), room, theme.ascii);
            let (state, tone) = law_state(law);
            let statement = text::cut(&law.statement, width.saturating_sub(39 + room), theme.ascii)
                .into_owned();
            lines.push(Line::from(vec![
                Span::raw(format!(
                    " {title} {:>12} {:>12}  ",
                    text::signed(law.lhs),
                    text::signed(law.rhs)
                )),
                toned(theme, format!("{state:<8}"), tone),
                toned(theme, format!("  {statement}"), Tone::Dim),
            ]));
        }
    }
    lines
}

fn transitions(app: &App, stats: &GetStatsResponse) -> Vec<Line<'static>> {
    let (read, write) = totals(stats);
    let before = app.feed.model.before.as_deref().map(totals);
    let seconds = app.feed.model.stats_seconds();
    let mut lines = vec![heading(
        app,
        &format!(
            "{:<16}{:>13}{:>9}{:>13}{:>8}",
            "TRANSITION", "READ", "/s", "WRITE", "/s"
        ),
        60,
    )];
    for (index, ((name, reads), (_, writes))) in
        read.named().into_iter().zip(write.named()).enumerate()
    {
        let grown = |now: u64, pick: fn(&(Transitions, Transitions)) -> &Transitions| {
            before.as_ref().map_or(0, |before| {
                now.saturating_sub(pick(before).named()[index].1)
            })
        };
        let rates = [
            grown(reads, |totals| &totals.0),
            grown(writes, |totals| &totals.1),
        ];
        let [reads_s, writes_s] = rates.map(|grown| per_second(grown, seconds));
        let quiet = reads == 0 && writes == 0;
        let line = format!(
            " {name:<16}{:>13}{reads_s:>9}{:>13}{writes_s:>8}",
            text::count(reads),
            text::count(writes)
        );
        lines.push(Line::from(toned(
            app.theme,
            line,
            if quiet { Tone::Dim } else { Tone::Plain },
        )));
    }
    lines
}

fn counters(app: &App, stats: &GetStatsResponse) -> Vec<Line<'static>> {
    let now = sum_counters(stats);
    let before = app
        .feed
        .model
        .before
        .as_deref()
        .map(sum_counters)
        .unwrap_or_default();
    let seconds = app
        .feed
        .model
        .stats_seconds()
        .filter(|_| !before.is_empty());
    let longest = now.keys().map(|name| text::width(name)).max().unwrap_or(0);
    let room = longest.clamp(26, 40);
    let mut lines = vec![heading(
        app,
        &format!("{:<room$}{:>13}{:>9}", "COUNTER", "TOTAL", "/s"),
        room + 24,
    )];
    for (name, count) in now {
        let grown = count.saturating_sub(before.get(name).copied().unwrap_or(count));
        let rate = per_second(grown, seconds);
        let line = format!(
            " {}{:>13}{rate:>9}",
            name_field(name, room, app.theme.ascii),
            text::count(count)
        );
        lines.push(Line::from(toned(
            app.theme,
            line,
            if count == 0 { Tone::Dim } else { Tone::Plain },
        )));
    }
    lines
}

fn per_second(grown: u64, seconds: Option<f64>) -> String {
    match seconds {
        #[allow(clippy::cast_precision_loss)]
        Some(seconds) if grown > 0 => text::rate(grown as f64 / seconds),
        _ => "-".into(),
    }
}

fn totals(stats: &GetStatsResponse) -> (Transitions, Transitions) {
    let mut read = Transitions::default();
    let mut write = Transitions::default();
    for poller in &stats.pollers {
        for (total, counts) in [(&mut read, poller.read), (&mut write, poller.write)] {
            if let Some(counts) = counts {
                *total = sum(total, &counts);
            }
        }
    }
    (read, write)
}

fn sum(left: &Transitions, right: &Transitions) -> Transitions {
    Transitions::from_fn(|it| left.get(it).saturating_add(right.get(it)))
}

fn sum_counters(stats: &GetStatsResponse) -> BTreeMap<&str, u64> {
    let mut all = BTreeMap::new();
    for (name, count) in stats.pollers.iter().flat_map(|poller| &poller.counters) {
        let total: &mut u64 = all.entry(name.as_str()).or_default();
        *total = total.saturating_add(*count);
    }
    all
}

fn heading(app: &App, titles: &str, width: usize) -> Line<'static> {
    Line::styled(
        field(&format!(" {titles}"), width, false, app.theme.ascii),
        app.theme.heading(),
    )
}

/// Two columns of lines; the left one is padded to a width.
fn beside(left: Vec<Line<'static>>, right: Vec<Line<'static>>, width: usize) -> Vec<Line<'static>> {
    let rows = left.len().max(right.len());
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    (0..rows)
        .map(|_| {
            let mut spans = Vec::new();
            let first = left.next().unwrap_or_default();
            let used = first.width();
            let style = first.style;
            spans.extend(first.spans.into_iter().map(|span| span.patch_style(style)));
            spans.push(Span::raw(" ".repeat(width.saturating_sub(used) + 2)));
            let second = right.next().unwrap_or_default();
            let style = second.style;
            spans.extend(second.spans.into_iter().map(|span| span.patch_style(style)));
            Line::from(spans)
        })
        .collect()
}
