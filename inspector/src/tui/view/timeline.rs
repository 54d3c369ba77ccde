//! How the process went on: a chart of each of the things that one looks for first, over the same
//! time, and the moment that is looked at.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::app::{App, Body, Steps, View, Wants};
use super::histogram::height;
use super::widgets::{clock, duration, field, quantity, toned};
use crate::paint::Tone;
use crate::text;
use crate::timeline::{Spell, Timeline, part, parts};

pub(super) const VIEW: View = View {
    title: "Timeline",
    key: '8',
    help: "how it went on: waiters, edges and findings over time",
    wants: Wants::Timeline,
    scope: None,
    body: Body::Drawn {
        render,
        steps: Steps::lines(|_| 0),
    },
};

/// One chart.
struct Series {
    name: &'static str,
    is_rate: bool,
    is_bad: bool,
    spells: fn(&Timeline) -> Vec<Spell>,
}

const fn series(name: &'static str, spells: fn(&Timeline) -> Vec<Spell>) -> Series {
    Series {
        name,
        is_rate: false,
        is_bad: false,
        spells,
    }
}

/// The charts, from the top; where there is little room, the first of them.
static SERIES: [Series; 5] = [
    Series {
        is_bad: true,
        ..series("findings", Timeline::found)
    },
    series("waiters", |it| it.levels(|sample| sample.waiters)),
    Series {
        is_rate: true,
        ..series("edges/s", |it| it.rates(|sample| sample.edges))
    },
    series("descriptors", |it| it.levels(|sample| sample.descriptors)),
    Series {
        is_rate: true,
        ..series("parks/s", |it| it.rates(|sample| sample.parks))
    },
];

/// Room for names and values at the left of the charts.
const GUTTER: usize = 23;
/// Lines of the highest chart.
const HIGHEST: usize = 8;

fn render(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let chart = Chart::of(app, area);
    let lines = match chart {
        Some(chart) => chart.lines(usize::from(area.height)),
        None => {
            let words = match app.recording() {
                Some(_) if app.feed.is_timeline_whole => "it is too short to be drawn",
                Some(_) => "reading all of it",
                None => "waiting for the first moments",
            };
            vec![Line::from(toned(app.theme, words, Tone::Dim)).centered()]
        }
    };
    frame.render_widget(Paragraph::new(lines), area);
}

/// What is drawn, and over which time.
struct Chart<'a> {
    app: &'a App,
    span: (u64, u64),
    /// Columns of the charts.
    width: usize,
    /// The column of the moment that is looked at, unless that is now.
    cursor: Option<usize>,
}

impl<'a> Chart<'a> {
    /// `None` before there is anything to draw.
    fn of(app: &'a App, area: Rect) -> Option<Self> {
        let known = app
            .feed
            .timeline
            .span()
            .filter(|(from, until)| from < until)?;
        let now_ns = app.feed.model.captured_at_ns;
        let recording = app.recording().map(|(_, recording)| recording);
        let span = match recording {
            Some(recording) if recording.begins_at_ns < recording.ends_at_ns => {
                (recording.begins_at_ns, recording.ends_at_ns)
            }
            _ => known,
        };
        let width = usize::from(area.width).saturating_sub(GUTTER + 1);
        let cursor = recording.and_then(|_| part(now_ns, span, width));
        Some(Self {
            app,
            span,
            width,
            cursor,
        })
    }

    fn lines(&self, room: usize) -> Vec<Line<'static>> {
        // The summary, the marks and the axis.
        let shown = SERIES.len().min(room.saturating_sub(3));
        let mut lines = vec![self.summary()];
        let room = room.saturating_sub(3);
        for (index, series) in SERIES.iter().take(shown).enumerate() {
            // What does not divide goes to the first ones.
            let rows = room / shown + usize::from(index < room % shown);
            lines.extend(self.series(series, rows.clamp(1, HIGHEST)));
        }
        lines.push(self.finds());
        lines.push(self.axis());
        lines
    }

    fn summary(&self) -> Line<'static> {
        let (theme, finds) = (self.app.theme, self.app.feed.timeline.finds());
        let all = duration(theme, self.span.1.saturating_sub(self.span.0));
        let found = text::several(finds.len() as u64, "time");
        let words = match self.app.recording() {
            Some(_) => format!(" {all} were recorded; something new was found {found}"),
            None => format!(" the last {all}; something new was found {found}"),
        };
        Line::from(toned(theme, words, Tone::Dim))
    }

    fn series(&self, series: &Series, rows: usize) -> Vec<Line<'static>> {
        let theme = self.app.theme;
        let spells = (series.spells)(&self.app.feed.timeline);
        let values = parts(&spells, self.span, self.width);
        let largest = values.iter().flatten().copied().max();
        let here = match self.cursor {
            Some(cursor) => values.get(cursor).copied().flatten(),
            None => spells.last().map(|it| it.value),
        };
        let written = |value: Option<u64>| {
            value.map_or("-".to_owned(), |value| quantity(value, series.is_rate))
        };
        let bar = match series.is_bad {
            true => theme.tone(Tone::Bad),
            false => theme.bar(),
        };
        let line = |row: usize| {
            let gutter = match row {
                0 => {
                    let here = field(&written(here), 8, true, theme.ascii);
                    format!(" {}{here}  ", field(series.name, 12, false, theme.ascii))
                }
                // How high it is.
                1 => {
                    let most = format!("of {}", written(largest));
                    format!("{}  ", field(&most, GUTTER - 2, true, theme.ascii))
                }
                _ => " ".repeat(GUTTER),
            };
            let tone = if row == 0 { Tone::Plain } else { Tone::Dim };
            let mut spans = vec![toned(theme, gutter, tone)];
            let cell = rows - 1 - row;
            let of = |value: &Option<u64>| {
                let levels = theme.heights().len() - 1;
                let height = height(value.unwrap_or(0), largest.unwrap_or(0), rows, cell, levels);
                theme.heights().get(height).copied().unwrap_or(" ")
            };
            let bars: Vec<&str> = values.iter().map(of).collect();
            spans.extend(self.with_cursor(&bars, bar));
            Line::from(spans)
        };
        (0..rows).map(line).collect()
    }

    /// Cells of a line, and the moment that is looked at among them.
    fn with_cursor(&self, cells: &[&str], style: Style) -> Vec<Span<'static>> {
        let theme = self.app.theme;
        let Some(cursor) = self.cursor.filter(|it| *it < cells.len()) else {
            return vec![Span::styled(cells.concat(), style)];
        };
        let (before, behind) = cells.split_at(cursor);
        let rest = behind.get(1..).unwrap_or_default();
        let here = match behind.first() {
            Some(&" ") | None if theme.ascii => "|",
            Some(&" ") | None => "│",
            Some(bar) => bar,
        };
        vec![
            Span::styled(before.concat(), style),
            toned(theme, here, Tone::Warn),
            Span::styled(rest.concat(), style),
        ]
    }

    /// Where something new was found.
    fn finds(&self) -> Line<'static> {
        let theme = self.app.theme;
        let mut marks = vec![" "; self.width];
        for at_ns in self.app.feed.timeline.finds() {
            let place = part(*at_ns, self.span, self.width);
            if let Some(mark) = place.and_then(|it| marks.get_mut(it)) {
                *mark = "!";
            }
        }
        let name = field(" newly found", GUTTER, false, theme.ascii);
        let mut spans = vec![toned(theme, name, Tone::Dim)];
        spans.extend(self.with_cursor(&marks, theme.tone(Tone::Bad)));
        Line::from(spans)
    }

    /// When it begins and ends, and the moment that is looked at.
    fn axis(&self) -> Line<'static> {
        let (theme, server) = (self.app.theme, self.app.feed.server.as_deref());
        let time = |at_ns: u64| clock(server, at_ns);
        let end = match self.app.recording() {
            Some(_) => time(self.span.1),
            None => "now".to_owned(),
        };
        let begin = time(self.span.0);
        let mut line = field(" UTC", GUTTER, false, theme.ascii);
        line.push_str(&begin);
        let mut spans = vec![toned(theme, line, Tone::Dim)];
        let last = self.width.saturating_sub(end.len());
        let mut at = begin.len();
        if let Some(cursor) = self.cursor {
            let here = time(self.app.feed.model.captured_at_ns);
            let place = cursor.saturating_sub(here.len() / 2);
            // Where it would touch the others it says what they say.
            if place > at && place + here.len() < last {
                spans.push(Span::raw(" ".repeat(place - at)));
                at = place + here.len();
                spans.push(toned(theme, here, Tone::Warn));
            }
        }
        if last > at {
            spans.push(Span::raw(" ".repeat(last - at)));
            spans.push(toned(theme, end, Tone::Dim));
        }
        Line::from(spans)
    }
}
