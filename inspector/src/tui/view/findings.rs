//! What is wrong with the process, as the doctor tells it: all findings, and the selected one in
//! full.

use netpoller_proto::v1::Descriptor;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::super::app::{App, Body, Steps, View, Wants};
use super::super::theme::Theme;
use super::sheet::chosen;
use super::widgets::{duration, toned};
use crate::findings::{Case, FINDINGS, paragraphs, severity as words, tone};
use crate::paint::Tone;
use crate::table::Context;
use crate::text;

/// The names of paragraphs stand before this column.
const INDENT: usize = 12;
/// Lines of prose are not made longer than is read with ease.
const WIDEST: usize = 110;

pub(super) const VIEW: View = View {
    title: "Findings",
    key: '6',
    help: "findings: what is wrong, as `doctor` tells it",
    wants: Wants::Nothing,
    scope: None,
    body: Body::Drawn {
        render,
        steps: Steps {
            count: |app| app.feed.checkup.cases.len(),
            name: |app, step| Some(format!("{:?}", case(app, step)?.key())),
            descriptor: |app, step| {
                let entry = case(app, step)?.entry.as_ref()?;
                Some(entry.row.clone())
            },
        },
    },
};

fn case(app: &App, step: usize) -> Option<&Case> {
    app.feed.checkup.cases.get(step)
}

fn render(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let checkup = &app.feed.checkup;
    // Their ages are those of the look, which is not that of the table.
    let context = Context {
        now_ns: checkup.captured_at_ns,
        ..app.context()
    };
    let width = usize::from(area.width);
    if checkup.ran.is_empty() {
        let (words, tone) = match checkup.trouble.as_str() {
            "" => ("the doctor has not looked yet", Tone::Dim),
            trouble => (trouble, Tone::Warn),
        };
        let line = Line::from(toned(app.theme, words, tone)).centered();
        frame.render_widget(Paragraph::new(line).wrap(Wrap { trim: true }), area);
        return;
    }
    let mut head = said(app.theme, "", &summary(app), width, Tone::Dim);
    if !checkup.trouble.is_empty() {
        head.extend(said(app.theme, "", &checkup.trouble, width, Tone::Warn));
    }
    let cases = &checkup.cases;
    // The selected one has at least half of the screen.
    let most = usize::from(area.height / 2)
        .saturating_sub(head.len())
        .max(2);
    let selected = app.step().min(cases.len().saturating_sub(1));
    let list = match cases.is_empty() {
        true => Vec::new(),
        false => chosen(app, &context, &FINDINGS, cases, selected, (width, most)),
    };
    let rows = |lines: &[Line<'_>]| Constraint::Length(u16::try_from(lines.len()).unwrap_or(0));
    let [above, middle, below] =
        Layout::vertical([rows(&head), rows(&list), Constraint::Fill(1)]).areas(area);
    frame.render_widget(Paragraph::new(head), above);
    frame.render_widget(Paragraph::new(list), middle);
    let mut prose = vec![Line::default()];
    match cases.get(selected) {
        Some(case) => {
            let room = usize::from(below.height).saturating_sub(1);
            prose.extend(in_full(app.theme, case, &context, (width, room)));
        }
        None => {
            for (name, line) in &checkup.not_run {
                prose.extend(said(app.theme, name, line, width, Tone::Dim));
            }
        }
    }
    frame.render_widget(Paragraph::new(prose), below);
}

/// How much was found, when, and of what.
fn summary(app: &App) -> String {
    let checkup = &app.feed.checkup;
    let ago = (app.feed.model.captured_at_ns).saturating_sub(checkup.captured_at_ns);
    let found = match checkup.count() {
        0 => "no findings".to_owned(),
        count => text::several(count, "finding"),
    };
    let beyond = match checkup.more {
        0 => String::new(),
        more => format!(", of which {more} are not listed"),
    };
    let ran = &checkup.ran;
    format!(
        "{found}{beyond}; looked {} ago: {ran}",
        duration(app.theme, ago)
    )
}

/// What was found of a descriptor, in a column of this width.
pub(super) fn of(app: &App, row: &Descriptor, width: usize) -> Vec<Line<'static>> {
    let context = Context {
        now_ns: app.feed.checkup.captured_at_ns,
        ..app.context()
    };
    let mut lines = Vec::new();
    for case in app.feed.checkup.cases_of(row) {
        let severity = case.finding.severity();
        let title = format!(" {} ({})", case.finding.lint, words(severity));
        lines.push(Line::from(toned(app.theme, title, tone(severity))));
        lines.extend(in_full(app.theme, case, &context, (width, usize::MAX)));
    }
    lines
}

/// All that is said of a finding. Where that does not fit, what to do about it comes before what it
/// is known by.
fn in_full(
    theme: Theme,
    case: &Case,
    context: &Context,
    (width, height): (usize, usize),
) -> Vec<Line<'static>> {
    let mut paragraphs = paragraphs(case, context);
    let lines = |paragraphs: &[(&'static str, String)]| {
        let lines = paragraphs.iter().flat_map(|(name, content)| {
            let tone = match *name {
                "" => Tone::Title,
                _ => Tone::Plain,
            };
            said(theme, name, &context.written(content.clone()), width, tone)
        });
        lines.collect::<Vec<_>>()
    };
    let whole = lines(&paragraphs);
    if whole.len() <= height {
        return whole;
    }
    let order = ["", "advice", "who waits", "at", "since"];
    paragraphs.sort_by_key(|(name, _)| {
        order
            .iter()
            .position(|it| it == name)
            .unwrap_or(order.len())
    });
    lines(&paragraphs)
}

/// A name in the margin and text beside it, broken into lines.
fn said(theme: Theme, name: &str, content: &str, width: usize, tone: Tone) -> Vec<Line<'static>> {
    let indent = match name {
        "" => 1,
        _ => INDENT,
    };
    let room = width.min(WIDEST).saturating_sub(indent + 1).max(10);
    let lines = text::wrapped(content, room).into_iter().enumerate();
    let line = |(index, line): (usize, String)| {
        let name = if index == 0 { name } else { "" };
        let name = format!(" {name:<width$}", width = indent - 1);
        Line::from(vec![
            toned(theme, name, Tone::Dim),
            Span::styled(line, theme.tone(tone)),
        ])
    };
    lines.map(line).collect()
}
