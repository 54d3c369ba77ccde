//! The histograms: a line for each, and a picture of the selected one.

use netpoller_proto::v1::Histogram;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::app::{App, Body, Steps, View, Wants};
use super::histogram::{Bars, height, sparkline};
use super::widgets::{field, name_field, toned};
use crate::paint::Tone;
use crate::quantile::{self, SHOWN};
use crate::table::{Column, HistogramRow, LATENCIES};
use crate::text;

const NUMBER: usize = 8;

pub(super) const VIEW: View = View {
    title: "Latency",
    key: '3',
    help: "latency histograms",
    wants: Wants::Nothing,
    scope: None,
    body: Body::Drawn {
        render,
        steps: Steps::lines(|app| histograms(app).len()),
    },
};

fn histograms(app: &App) -> Vec<Histogram> {
    let stats = app.feed.model.stats.as_deref();
    stats.map(quantile::merged).unwrap_or_default()
}

fn render(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let histograms = histograms(app);
    if histograms.is_empty() {
        let server = app.feed.server.as_ref();
        let why = match server.is_some_and(|it| it.outside.is_some()) {
            true => "nobody measures latencies from outside of the process",
            false => "waiting for the first statistics",
        };
        let line = Line::from(toned(app.theme, why, Tone::Dim)).centered();
        frame.render_widget(Paragraph::new(line), area);
        return;
    }
    let selected = app.step().min(histograms.len() - 1);
    let rows = u16::try_from(histograms.len())
        .unwrap_or(u16::MAX)
        .saturating_add(1);
    let [list, picture] =
        Layout::vertical([Constraint::Max(rows), Constraint::Fill(1)]).areas(area);
    frame.render_widget(
        Paragraph::new(summary(app, &histograms, selected, list)),
        list,
    );
    if let Some(histogram) = histograms.get(selected) {
        draw(app, histogram, frame, picture);
    }
}

fn summary(app: &App, histograms: &[Histogram], selected: usize, area: Rect) -> Vec<Line<'static>> {
    let theme = app.theme;
    let width = usize::from(area.width);
    // Numbers give way to names, which often differ in their ends only.
    let longest = histograms.iter().map(|it| text::width(&it.name)).max();
    let name = longest
        .unwrap_or(0)
        .clamp(9, width.saturating_sub(NUMBER + 3).max(9));
    let mut numbers: Vec<&Column<HistogramRow>> = LATENCIES.iter().collect();
    let width_of = |number: &Column<HistogramRow>| usize::from(number.least);
    let taken = |numbers: &[&Column<HistogramRow>]| {
        2 + name + numbers.iter().map(|it| 1 + width_of(it)).sum::<usize>()
    };
    while taken(&numbers) > width && numbers.len() > 1 {
        let weakest = (0..numbers.len())
            .min_by_key(|index| numbers[*index].keep)
            .unwrap_or(0);
        numbers.remove(weakest);
    }
    let spark = width.saturating_sub(taken(&numbers) + 2).min(48);
    let context = app.context();
    let mut heading = format!(" {}", field("HISTOGRAM", name, false, theme.ascii));
    for number in &numbers {
        heading.push_str(&format!(
            " {}",
            field(number.title, width_of(number), true, theme.ascii)
        ));
    }
    let mut lines = vec![Line::styled(
        field(&heading, width, false, theme.ascii),
        theme.heading(),
    )];
    let visible = usize::from(area.height.saturating_sub(1)).max(1);
    let first = (selected + 1).saturating_sub(visible);
    for (index, histogram) in histograms.iter().enumerate().skip(first) {
        let mut line = format!(" {}", name_field(&histogram.name, name, theme.ascii));
        let row = HistogramRow {
            histogram: histogram.clone(),
            ..HistogramRow::default()
        };
        for number in &numbers {
            let value = number.cell(&row, &context).text;
            line.push_str(&format!(
                " {}",
                field(&value, width_of(number), true, theme.ascii)
            ));
        }
        let bars = sparkline(&Bars::of(histogram, spark).counts, theme.heights());
        lines.push(if index == selected {
            Line::styled(
                field(&format!("{line}  {bars}"), width, false, theme.ascii),
                theme.selected(),
            )
        } else {
            Line::from(vec![
                Span::raw(line),
                Span::raw("  "),
                Span::styled(bars, theme.bar()),
            ])
        });
    }
    lines
}

/// The bars, coloured by how rare their samples are, over an axis with the quantiles marked.
fn draw(app: &App, histogram: &Histogram, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let rows = usize::from(area.height.saturating_sub(5));
    // At the right there must be room for the label of the last bar.
    let width = usize::from(area.width.saturating_sub(20));
    if rows < 2 || width < 16 {
        return;
    }
    let bars = Bars::of(histogram, width);
    let Some(thick) = width
        .checked_div(bars.counts.len())
        .map(|thick| thick.clamp(1, 4))
    else {
        let line = Line::from(toned(theme, "no samples yet", Tone::Dim)).centered();
        frame.render_widget(Paragraph::new(vec![Line::default(), line]), area);
        return;
    };
    let largest = bars.counts.iter().copied().max().unwrap_or(0);
    let levels = theme.heights().len() - 1;
    let quantiles: Vec<(&str, u64)> = SHOWN
        .iter()
        .filter_map(|(name, share)| Some((*name, quantile::quantile(histogram, *share)?)))
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
    let mut lines = vec![
        Line::default(),
        Line::from(vec![
            toned(theme, format!(" {}", histogram.name), Tone::Title),
            toned(
                theme,
                format!("  {} samples, mean {mean}", text::grouped(histogram.count)),
                Tone::Dim,
            ),
        ]),
    ];
    for row in (0..rows).rev() {
        let label = match row {
            0 => String::new(),
            row if row + 1 == rows => text::count(largest),
            row if row == rows / 2 && rows > 5 => text::count(largest / 2),
            _ => String::new(),
        };
        let mut spans = vec![toned(theme, format!("{label:>10} "), Tone::Dim)];
        for (count, upper) in bars.counts.iter().zip(&bars.bounds) {
            let mark = theme
                .heights()
                .get(height(*count, largest, rows, row, levels))
                .copied()
                .unwrap_or(" ");
            let style = if *upper > p99 {
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
    frame.render_widget(Paragraph::new(lines), area);
}

/// Bounds under the bars, as many as fit.
fn axis(app: &App, histogram: &Histogram, bars: &Bars, thick: usize) -> Line<'static> {
    let mut line = " ".repeat(11);
    let mut last = String::new();
    for (index, upper) in bars.bounds.iter().enumerate() {
        let at = 11 + index * thick;
        let label = written(app, *upper, &histogram.unit);
        let ends = at + text::width(&label);
        // The smallest values have more bars than there are numbers.
        if label != last
            && (text::width(&line) < at || index == 0)
            && ends <= 11 + bars.bounds.len() * thick + NUMBER
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
        let at = 11 + bar * thick;
        if text::width(&line) <= at {
            line.push_str(&" ".repeat(at - text::width(&line)));
            line.push_str(&format!("{mark}{name} "));
        }
    }
    Line::from(toned(app.theme, line, Tone::Title))
}

fn written(app: &App, value: u64, unit: &str) -> String {
    let sample = text::sample(value, unit);
    if app.theme.ascii {
        text::ascii(sample)
    } else {
        sample
    }
}
