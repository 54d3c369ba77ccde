//! The picture of one histogram: its bars, and one that is chosen among them.

use std::sync::Arc;

use netpoller_proto::v1::{Descriptor, Exemplar, Histogram};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::super::app::App;
use super::super::super::latency::Shown;
use super::super::histogram::{Bars, height};
use super::super::widgets::{duration, toned};
use super::parts::{NUMBER, title, written};
use crate::paint::Tone;
use crate::quantile::{self, SHOWN};
use crate::text;

/// Room for the numbers at the left.
const GUTTER: usize = 11;

/// How wide all bars may be: at the right there must be room for the label of the last one.
fn room(width: u16) -> usize {
    usize::from(width).saturating_sub(20)
}

/// The bars at a width, and which of them is chosen: of none the last of which a sample is known.
fn laid(app: &App, shown: &Shown, width: u16) -> (Bars, Option<usize>) {
    let bars = Bars::of(&shown.histogram, room(width));
    let is_known = |bar: &usize| exemplar(shown, &bars, *bar).is_some();
    let chosen = match app.latency.bar {
        Some(value) => bars.bounds.iter().position(|upper| *upper >= value),
        None => (0..bars.counts.len()).rev().find(is_known),
    };
    let chosen = chosen.filter(|bar| bars.counts.get(*bar).is_some_and(|count| *count > 0));
    (bars, chosen)
}

/// The bounds of a bar: above the first, up to the second.
fn bounds(bars: &Bars, bar: usize) -> (u64, u64) {
    let before = bar.checked_sub(1).and_then(|it| bars.bounds.get(it));
    let upper = bars.bounds.get(bar);
    (before.copied().unwrap_or(0), upper.copied().unwrap_or(0))
}

fn exemplar<'a>(shown: &'a Shown, bars: &Bars, bar: usize) -> Option<(&'a str, &'a Exemplar)> {
    let (above, up_to) = bounds(bars, bar);
    shown.exemplar(above, up_to)
}

/// The descriptor of the sample that is known of the chosen bar, if it is still there.
pub(super) fn descriptor(app: &App, shown: &Shown) -> Option<Arc<Descriptor>> {
    if app.latency.is_over_time {
        // No bar is seen.
        return None;
    }
    let (bars, chosen) = laid(app, shown, app.size.0);
    let (poller, exemplar) = exemplar(shown, &bars, chosen?)?;
    app.row(poller, &exemplar.id)
}

/// The largest value of the bar before the chosen one, or behind it, that is not empty.
pub(crate) fn neighbour(app: &App, forth: bool) -> Option<u64> {
    let shown = app.latency.shown.get(app.step())?;
    let (bars, chosen) = laid(app, shown, app.size.0);
    let is_filled = |bar: &usize| bars.counts.get(*bar).is_some_and(|count| *count > 0);
    let last = bars.counts.len().checked_sub(1)?;
    let next = match (chosen, forth) {
        (None, _) => (0..=last).rev().find(is_filled),
        (Some(here), true) => (here + 1..=last).find(is_filled),
        (Some(here), false) => (0..here).rev().find(is_filled),
    };
    bars.bounds.get(next.or(chosen)?).copied()
}

/// A mark under the chosen bar, and what that is: how many samples, and the last one that is
/// known.
fn told(app: &App, shown: &Shown, bars: &Bars, bar: usize, at: usize) -> [Line<'static>; 3] {
    let theme = app.theme;
    let (above, up_to) = bounds(bars, bar);
    let count = bars.counts.get(bar).copied().unwrap_or(0);
    let unit = &shown.histogram.unit;
    let (above, up_to) = (written(app, above, unit), written(app, up_to, unit));
    let mut words = match bar == 0 || above == up_to {
        true => format!("{} up to {up_to}", several(count)),
        false => format!("{} above {above} up to {up_to}", several(count)),
    };
    let mut last = String::new();
    if let Some((poller, exemplar)) = exemplar(shown, bars, bar) {
        let ago = app.feed.model.captured_at_ns.saturating_sub(exemplar.at_ns);
        words.push_str(&format!("; the last {} ago", duration(theme, ago)));
        let mut parts = Vec::new();
        let line = exemplar.line();
        if !line.is_empty() {
            parts.push(format!("at {}", text::tail_of_path(&line)));
        }
        if !exemplar.task.is_empty() {
            parts.push(format!("task {}", exemplar.task));
        }
        if !exemplar.id.is_empty() {
            let id = match app.context().several {
                true => format!("{poller}/{}", exemplar.id),
                false => exemplar.id.clone(),
            };
            let gone = match descriptor(app, shown) {
                Some(_) => "",
                None => ", which has gone",
            };
            parts.push(format!("descriptor {id}{gone}"));
        }
        last = parts.join(", ");
    }
    let mark = if theme.ascii { "^" } else { "▲" };
    let mark = toned(theme, format!("{}{mark}", " ".repeat(at)), Tone::Title);
    let words = toned(theme, format!(" {words}"), Tone::Dim);
    let last = toned(theme, format!(" {last}"), Tone::Dim);
    [Line::from(mark), Line::from(words), Line::from(last)]
}

fn several(count: u64) -> String {
    match count {
        1 => "1 sample".to_owned(),
        count => format!("{} samples", text::grouped(count)),
    }
}

/// The bars, coloured by how rare their samples are, over an axis with the quantiles marked.
pub(super) fn render(app: &App, shown: &Shown, frame: &mut Frame<'_>, area: Rect) {
    let (theme, histogram) = (app.theme, &shown.histogram);
    let rows = usize::from(area.height.saturating_sub(7));
    let width = room(area.width);
    if rows < 2 || width < 16 {
        return;
    }
    let (bars, chosen) = laid(app, shown, area.width);
    let Some(thick) = width
        .checked_div(bars.counts.len())
        .map(|thick| thick.clamp(1, 4))
    else {
        let line = Line::from(toned(theme, "no samples", Tone::Dim)).centered();
        let lines = vec![
            Line::default(),
            title(app, shown, ""),
            Line::default(),
            line,
        ];
        frame.render_widget(Paragraph::new(lines), area);
        return;
    };
    let largest = bars.counts.iter().copied().max().unwrap_or(0);
    let levels = theme.heights().len() - 1;
    let quantiles: Vec<(&str, u64)> = SHOWN
        .iter()
        .filter_map(|(name, share)| Some((*name, histogram.quantile(*share)?)))
        .collect();
    let bound = |name: &str| {
        quantiles
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(u64::MAX, |(_, value)| *value)
    };
    let (p90, p99) = (bound("p90"), bound("p99"));

    let mean =
        quantile::mean(histogram).map_or("-".into(), |mean| written(app, mean, &histogram.unit));
    let more = format!(", {}, mean {mean}", several(histogram.count));
    let mut lines = vec![Line::default(), title(app, shown, &more)];
    for row in (0..rows).rev() {
        let label = match row {
            0 => String::new(),
            row if row + 1 == rows => text::count(largest),
            row if row == rows / 2 && rows > 5 => text::count(largest / 2),
            _ => String::new(),
        };
        let mut spans = vec![toned(theme, format!("{label:>10} "), Tone::Dim)];
        for (bar, (count, upper)) in bars.counts.iter().zip(&bars.bounds).enumerate() {
            let mark = theme
                .heights()
                .get(height(*count, largest, rows, row, levels))
                .copied()
                .unwrap_or(" ");
            let style = if chosen == Some(bar) {
                theme.tone(Tone::Title)
            } else if *upper > p99 {
                theme.tone(Tone::Bad)
            } else if *upper > p90 {
                theme.tone(Tone::Warn)
            } else {
                theme.bar()
            };
            // Anything else would be seen in the empty part of a bar too.
            let style = Style {
                fg: style.fg,
                ..Style::new()
            };
            spans.push(Span::styled(mark.repeat(thick), style));
        }
        lines.push(Line::from(spans));
    }
    lines.push(axis(app, histogram, &bars, thick));
    lines.push(marks(app, &quantiles, &bars, thick));
    if let Some(bar) = chosen {
        lines.extend(told(app, shown, &bars, bar, GUTTER + bar * thick));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// Bounds under the bars, as many as fit.
fn axis(app: &App, histogram: &Histogram, bars: &Bars, thick: usize) -> Line<'static> {
    let mut line = " ".repeat(GUTTER);
    let mut last = String::new();
    for (index, upper) in bars.bounds.iter().enumerate() {
        let at = GUTTER + index * thick;
        let label = written(app, *upper, &histogram.unit);
        let ends = at + text::width(&label);
        // The smallest values have more bars than there are numbers.
        if label != last
            && (text::width(&line) < at || index == 0)
            && ends <= GUTTER + bars.bounds.len() * thick + NUMBER
        {
            line.push_str(&" ".repeat(at.saturating_sub(text::width(&line))));
            line.push_str(&label);
            line.push_str("   ");
            last = label;
        }
    }
    Line::from(toned(app.theme, line, Tone::Dim))
}

/// Quantiles at their places; one that would lie over another is left out.
fn marks(app: &App, quantiles: &[(&str, u64)], bars: &Bars, thick: usize) -> Line<'static> {
    let mark = if app.theme.ascii { "^" } else { "↑" };
    let mut line = String::new();
    for (name, value) in quantiles {
        let Some(bar) = bars.bounds.iter().position(|upper| upper >= value) else {
            continue;
        };
        let at = GUTTER + bar * thick;
        if text::width(&line) <= at {
            line.push_str(&" ".repeat(at - text::width(&line)));
            line.push_str(&format!("{mark}{name} "));
        }
    }
    Line::from(toned(app.theme, line, Tone::Title))
}
