//! The picture of one histogram over time: the later the more to the right, the longer the higher.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use netpoller_proto::v1::{Bucket, Histogram};

use super::super::super::app::App;
use super::super::super::latency::Shown;
use super::super::histogram::Bars;
use super::super::widgets::{clock, field, toned};
use super::parts::{title, written};
use crate::paint::Tone;
use crate::timeline::{Samples, part};

/// Room for the numbers at the left.
const GUTTER: usize = 11;

/// How often a value was met at a time: samples in a thousand seconds.
type Rate = u64;

/// The cells of the picture.
struct Heat {
    /// What each line is of, from the bottom: the largest value in it.
    bounds: Vec<u64>,
    /// How often, by line and column; `None` where nothing is known of that time.
    cells: Vec<Vec<Option<Rate>>>,
    largest: Rate,
    p90: u64,
    p99: u64,
}

impl Heat {
    fn of(samples: &[Samples], span: (u64, u64), rows: usize, width: usize) -> Self {
        let counts = samples.iter().flat_map(|it| it.counts.iter().copied());
        let mut sums = std::collections::BTreeMap::new();
        for (bound, count) in counts {
            let sum: &mut u64 = sums.entry(bound).or_default();
            *sum = sum.saturating_add(count);
        }
        let all = Histogram {
            buckets: sums
                .into_iter()
                .map(|(upper_bound, count)| Bucket {
                    upper_bound,
                    count,
                    ..Bucket::default()
                })
                .collect(),
            ..Histogram::default()
        };
        let bounds = Bars::of(&all, rows).bounds;
        let mut cells = vec![vec![None; width]; bounds.len()];
        let mut largest = 0;
        for it in samples {
            let (Some(first), Some(last)) = (
                part(it.from_ns, span, width),
                part(it.until_ns.saturating_sub(1), span, width),
            ) else {
                continue;
            };
            let ns = u128::from(it.until_ns.saturating_sub(it.from_ns)).max(1);
            let mut rates: Vec<Rate> = vec![0; bounds.len()];
            for (bound, count) in &it.counts {
                let row = bounds.iter().position(|upper| upper >= bound);
                let rate = u128::from(*count).saturating_mul(1_000_000_000_000) / ns;
                if let Some(sum) = rates.get_mut(row.unwrap_or(bounds.len().saturating_sub(1))) {
                    // What was met at all is seen.
                    let rate = u64::try_from(rate).unwrap_or(u64::MAX).max(1);
                    *sum = sum.saturating_add(rate);
                }
            }
            for (row, rate) in cells.iter_mut().zip(rates) {
                largest = largest.max(rate);
                for cell in row.iter_mut().take(last + 1).skip(first) {
                    *cell = Some(rate.max(cell.unwrap_or(0)));
                }
            }
        }
        let quantile = |share| all.quantile(share).unwrap_or(u64::MAX);
        Self {
            bounds,
            cells,
            largest,
            p90: quantile(0.9),
            p99: quantile(0.99),
        }
    }
}

/// What a shade stands for, of the largest rate: from the darkest on, each is several times as
/// often as the next.
const SHARES: [u64; 3] = [3, 15, 100];

/// Which shade a rate has; what was met at all has one.
fn shade(rate: Rate, largest: Rate) -> usize {
    let often = |share: &&u64| u128::from(rate) * u128::from(**share) >= u128::from(largest);
    match rate {
        0 => 0,
        _ => SHARES
            .iter()
            .position(|share| often(&share))
            .map_or(1, |place| SHARES.len() + 1 - place),
    }
}

pub(super) fn render(app: &App, shown: &Shown, frame: &mut Frame<'_>, area: Rect) {
    let theme = app.theme;
    let rows = usize::from(area.height.saturating_sub(3));
    let width = usize::from(area.width).saturating_sub(GUTTER + 1);
    if rows < 2 || width < 16 {
        return;
    }
    let (name, unit) = (&shown.histogram.name, &shown.histogram.unit);
    let timeline = &app.feed.timeline;
    let samples = timeline.latencies().of(name, app.latency.poller.as_deref());
    let recording = app.recording().map(|(_, recording)| recording);
    let known = samples.first().zip(samples.last());
    let span = match recording {
        Some(recording) if recording.begins_at_ns < recording.ends_at_ns => {
            Some((recording.begins_at_ns, recording.ends_at_ns))
        }
        _ => known.map(|(first, last)| (first.from_ns, last.until_ns)),
    };
    let mut lines = vec![Line::default(), title(app, shown, "")];
    let is_empty = samples.iter().all(|it| it.counts.is_empty());
    let Some(span) = span.filter(|_| !is_empty) else {
        let words = match recording {
            Some(_) if !app.feed.is_timeline_whole => "reading all of it",
            _ => "no samples since it is looked at",
        };
        lines.push(Line::default());
        lines.push(Line::from(toned(theme, words, Tone::Dim)).centered());
        frame.render_widget(Paragraph::new(lines), area);
        return;
    };
    let heat = Heat::of(&samples, span, rows, width);
    let cursor = recording.and_then(|_| part(app.feed.model.captured_at_ns, span, width));
    let shades = theme.shades();
    let count = heat.bounds.len();
    // A line of the picture is as high as there is room.
    let thick = (rows / count.max(1)).clamp(1, 3);
    let drawn = heat.bounds.iter().zip(&heat.cells).enumerate().rev();
    for ((row, (bound, cells)), part) in drawn.flat_map(|it| (0..thick).map(move |part| (it, part)))
    {
        // A number on every second line, and at both ends.
        let label = match part == 0 && (thick > 1 || row % 2 == 0 || row + 1 == count) {
            true => written(app, *bound, unit),
            false => String::new(),
        };
        let label = field(&label, GUTTER - 1, true, theme.ascii);
        let mut spans = vec![toned(theme, format!("{label} "), Tone::Dim)];
        let style = match *bound {
            bound if bound > heat.p99 => theme.tone(Tone::Bad),
            bound if bound > heat.p90 => theme.tone(Tone::Warn),
            _ => theme.bar(),
        };
        let style = Style {
            fg: style.fg,
            ..Style::new()
        };
        let mark = |cell: &Option<Rate>| {
            let shade = shade(cell.unwrap_or(0), heat.largest);
            shades.get(shade).copied().unwrap_or(" ")
        };
        let line = if theme.ascii { "|" } else { "│" };
        spans.extend(
            cells
                .iter()
                .enumerate()
                .map(|(column, cell)| match mark(cell) {
                    " " if cursor == Some(column) => toned(theme, line, Tone::Warn),
                    mark if cursor == Some(column) => toned(theme, mark, Tone::Warn),
                    mark => Span::styled(mark, style),
                }),
        );
        lines.push(Line::from(spans));
    }
    lines.push(axis(app, span, cursor, width));
    frame.render_widget(Paragraph::new(lines), area);
}

/// When it begins and ends, and the moment that is looked at.
fn axis(app: &App, span: (u64, u64), cursor: Option<usize>, width: usize) -> Line<'static> {
    let (theme, server) = (app.theme, app.feed.server.as_deref());
    let begin = clock(server, span.0);
    let end = match cursor {
        Some(_) => clock(server, span.1),
        None => "now".to_owned(),
    };
    let gutter = field("UTC ", GUTTER, true, theme.ascii);
    let between = " ".repeat(width.saturating_sub(begin.len() + end.len()));
    let mut line = format!("{gutter}{begin}{between}{end}");
    if let Some(cursor) = cursor {
        let here = clock(server, app.feed.model.captured_at_ns);
        let at = GUTTER + cursor.saturating_sub(here.len() / 2);
        // Where it would touch the others it says what they say.
        let free = line.get(at.saturating_sub(1)..at + here.len() + 1);
        if free.is_some_and(|free| free.trim().is_empty()) {
            line.replace_range(at..at + here.len(), &here);
        }
    }
    Line::from(toned(theme, line, Tone::Dim))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(from_ns: u64, counts: &[(u64, u64)]) -> Samples {
        Samples {
            from_ns,
            until_ns: from_ns + 1_000_000_000,
            counts: counts.to_vec(),
        }
    }

    #[test]
    fn what_came_when_stands_at_its_place() {
        let second = 1_000_000_000;
        let all = [
            samples(0, &[(1_000, 50)]),
            samples(second, &[(1_000, 50), (1_000_000, 1)]),
            samples(3 * second, &[(1_000, 50)]),
        ];
        let heat = Heat::of(&all, (0, 4 * second), 8, 4);
        let row = |value: u64| heat.bounds.iter().position(|bound| *bound >= value);
        let (low, high) = (row(1_000).expect("a line"), row(1_000_000).expect("a line"));
        assert!(low < high && heat.bounds.len() <= 8);
        let often = Some(50_000);
        assert_eq!(heat.cells[low], [often, often, None, often]);
        assert_eq!(heat.cells[high], [Some(0), Some(1_000), None, Some(0)]);
        assert_eq!(heat.largest, 50_000);
    }

    #[test]
    fn one_among_a_million_is_seen_and_never_is_not() {
        let shades = [0, 1, 9_999, 10_000, 70_000, 400_000, 1_000_000];
        let shades = shades.map(|rate| shade(rate, 1_000_000));
        assert_eq!(shades, [0, 1, 1, 2, 3, 4, 4]);
        assert_eq!(shade(1, 1), 4);
        assert_eq!(shade(u64::MAX, u64::MAX), 4);
    }
}
