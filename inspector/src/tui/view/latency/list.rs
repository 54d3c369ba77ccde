//! A line for each histogram: its quantiles, and a small picture of it.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::super::super::app::App;
use super::super::super::latency::Shown;
use super::super::histogram::{Bars, sparkline};
use super::super::widgets::{field, name_field};
use super::parts::NUMBER;
use crate::table::{Column, HistogramRow, LATENCIES};
use crate::text;

/// The lines, under a heading.
pub(super) fn lines(app: &App, shown: &[Shown], selected: usize, area: Rect) -> Vec<Line<'static>> {
    let theme = app.theme;
    let width = usize::from(area.width);
    // Numbers give way to names, which often differ in their ends only.
    let longest = shown.iter().map(|it| text::width(&it.histogram.name)).max();
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
    for (index, shown) in shown.iter().enumerate().skip(first).take(visible) {
        let histogram = &shown.histogram;
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
