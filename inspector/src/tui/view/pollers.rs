//! Pollers, laws, transitions and counters, one below the other or side by side.

use std::collections::BTreeMap;

use netpoller_proto::v1::{GetStatsResponse, PollerStats, Transitions};
use netpoller_proto::vocabulary::Transition;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::app::{App, Body, Steps, View, Wants};
use super::histogram::sparkline;
use super::sheet::{heading, sheet};
use super::widgets::{duration, quantity, scrolled, toned};
use crate::paint::Tone;
use crate::table::{
    COUNTER_RATES, CounterRow, LAWS_OF_ALL, LawRow, POLLERS, TRANSITION_RATES, TransitionRow,
};
use crate::timeline::Spell;

pub(super) const VIEW: View = View {
    title: "Pollers",
    key: '4',
    help: "pollers, counters and laws",
    wants: Wants::Timeline,
    scope: None,
    body: Body::Drawn {
        render,
        steps: Steps::lines(|app| lines(app, app.size.0).len()),
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

/// From this width on, transitions and counters stand side by side.
const BESIDE: usize = 112;

/// The whole view; it is scrolled when it is shown.
fn lines(app: &App, width: u16) -> Vec<Line<'static>> {
    let Some(stats) = app.feed.model.stats.as_deref() else {
        return Vec::new();
    };
    let (width, context) = (usize::from(width), app.context());
    let pollers = stats.pollers.iter().filter_map(|it| it.poller.clone());
    let mut lines = sheet(
        app,
        &context,
        &POLLERS,
        &pollers.collect::<Vec<_>>(),
        |_| false,
        width,
    );
    if stats.pollers.iter().all(|it| it.read.is_none()) {
        // Nobody counts from outside.
        return lines;
    }
    lines.push(Line::default());
    lines.extend(activity(app, width));
    lines.push(Line::default());
    lines.extend(sheet(
        app,
        &context,
        &LAWS_OF_ALL,
        &laws(stats),
        |_| false,
        width,
    ));
    lines.push(Line::default());
    let (half, both) = match width {
        BESIDE.. => (60, true),
        _ => (width, false),
    };
    let left = sheet(
        app,
        &context,
        &TRANSITION_RATES,
        &transitions(app, stats),
        |it| it.read == 0 && it.write == 0,
        half,
    );
    let right = sheet(
        app,
        &context,
        &COUNTER_RATES,
        &counters(app, stats),
        |it| it.total == 0,
        if both { width - half - 2 } else { width },
    );
    if both {
        lines.extend(beside(left, right, half));
    } else {
        lines.extend(left);
        lines.push(Line::default());
        lines.extend(right);
    }
    lines
}

/// What happened in the last minutes, as far as there is room: how much it is now, how much it was
/// at most, and since when.
fn activity(app: &App, width: usize) -> Vec<Line<'static>> {
    let (theme, timeline) = (app.theme, &app.feed.timeline);
    let now_ns = app.feed.model.captured_at_ns;
    let room = width.saturating_sub(36);
    let until_now = |spells: Vec<Spell>| -> Vec<Spell> {
        let mut spells = spells;
        spells.retain(|it| it.until_ns <= now_ns);
        spells.split_off(spells.len().saturating_sub(room))
    };
    let series = [
        ("waiters", timeline.levels(|it| it.waiters), false),
        ("edges/s", timeline.rates(|it| it.edges), true),
        ("parks/s", timeline.rates(|it| it.parks), true),
    ];
    let series = series.map(|(name, spells, is_rate)| (name, until_now(spells), is_rate));
    let since = series.iter().filter_map(|(_, spells, _)| spells.first());
    let since = since.map(|it| now_ns.saturating_sub(it.from_ns)).max();
    let title = match since {
        Some(ns) => format!("ACTIVITY, {} to now", duration(theme, ns)),
        None => "ACTIVITY".to_owned(),
    };
    let mut lines = vec![heading(app, &title, width)];
    for (name, spells, is_rate) in series {
        let values: Vec<u64> = spells.iter().map(|it| it.value).collect();
        let written = |value: Option<&u64>| quantity(value.copied().unwrap_or(0), is_rate);
        let (latest, most) = (written(values.last()), written(values.iter().max()));
        lines.push(Line::from(vec![
            Span::raw(format!(" {name:<10}{latest:>9} ")),
            toned(theme, format!("of {most:<8} "), Tone::Dim),
            Span::styled(sparkline(&values, theme.heights()), theme.bar()),
        ]));
    }
    lines
}

fn laws(stats: &GetStatsResponse) -> Vec<LawRow> {
    let of = |stats: &PollerStats| {
        let poller = stats.poller.as_ref().map(|poller| poller.name.clone());
        let poller = poller.unwrap_or_default();
        let laws = stats.laws.iter().map(move |law| LawRow {
            poller: poller.clone(),
            law: law.clone(),
        });
        laws.collect::<Vec<_>>()
    };
    stats.pollers.iter().flat_map(of).collect()
}

fn transitions(app: &App, stats: &GetStatsResponse) -> Vec<TransitionRow> {
    let (read, write) = totals(stats);
    let before = app.feed.model.before.as_deref().map(totals);
    let (reads_before, writes_before) = before.unwrap_or((read, write));
    let rate = |now: &Transitions, before: &Transitions, it| {
        per_second(app, now.get(it).saturating_sub(before.get(it)))
    };
    let row = |it: Transition| TransitionRow {
        name: it.name(),
        read: read.get(it),
        read_per_second: rate(&read, &reads_before, it),
        write: write.get(it),
        write_per_second: rate(&write, &writes_before, it),
    };
    Transition::ALL.map(row).to_vec()
}

fn counters(app: &App, stats: &GetStatsResponse) -> Vec<CounterRow> {
    let before = app.feed.model.before.as_deref();
    let before = before.map(sum_counters).unwrap_or_default();
    let row = |(name, total): (&str, u64)| CounterRow {
        name: name.to_owned(),
        total,
        per_second: before
            .get(name)
            .and_then(|before| per_second(app, total.saturating_sub(*before))),
    };
    sum_counters(stats).into_iter().map(row).collect()
}

/// How often it happened in the last interval, if it did.
fn per_second(app: &App, grown: u64) -> Option<f64> {
    let seconds = app.feed.model.stats_seconds()?;
    #[allow(clippy::cast_precision_loss)]
    (grown > 0).then_some(grown as f64 / seconds)
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
