//! The lines at the top: who is looked at, whether the connection lives, and the totals.

use netpoller_proto::v1::{Descriptor, Poller, Severity, State};
use netpoller_proto::{Direction, Side};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::super::app::{App, View};
use super::super::known::Link;
use super::super::targets::Label;
use super::widgets::{duration, toned};
use crate::clock::Anchor;
use crate::model::Model;
use crate::paint::Tone;
use crate::text;

/// What is due for so long is late, not on its way.
const LATE_NS: u64 = 1_000_000_000;

pub(super) fn render(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let first = Rect {
        height: area.height.min(1),
        ..area
    };
    let mut link = link(app, usize::from(area.width / 2));
    // A low screen has no line of totals.
    if let Some(grave) = found_tone(app).filter(|_| area.height == 1) {
        let found = text::several(app.feed.checkup.count(), "finding");
        link.spans
            .insert(0, toned(app.theme, format!("{found}  "), grave));
    }
    let room = area.width.saturating_sub(
        u16::try_from(link.width())
            .unwrap_or(u16::MAX)
            .saturating_add(2),
    );
    frame.render_widget(
        Paragraph::new(who(app, room.into())),
        Rect {
            width: room,
            ..first
        },
    );
    frame.render_widget(Paragraph::new(link.right_aligned()), first);
    if area.height > 1 && !app.target.is_empty() {
        let second = Rect {
            y: area.y.saturating_add(1),
            height: 1,
            ..area
        };
        frame.render_widget(
            Paragraph::new(totals(app, area.width)),
            second.intersection(area),
        );
    }
}

fn who(app: &App, room: usize) -> Line<'static> {
    let theme = app.theme;
    let mut spans = vec![toned(theme, " netpoller ", Tone::Title)];
    if app.target.is_empty() {
        let words = " no process is looked at; T lists them";
        spans.push(toned(theme, words, Tone::Dim));
        return Line::from(spans);
    }
    if app.tabs.len() > 1 {
        spans = processes(app, room / 2);
    }
    if let Some(server) = &app.feed.server {
        let name = server.executable.rsplit('/').next().unwrap_or_default();
        // The demo is this command itself; of several the name stands before.
        if name != "netpoller" && app.tabs.len() < 2 {
            let name = format!(" {name} ");
            spans.push(toned(theme, name, Tone::Good));
        }
        if app.tabs.len() < 2 {
            spans.push(Span::raw(format!("pid {}", server.pid)));
        }
        if let Some(before) = app.feed.before {
            let before = format!(" restarted, was {before}");
            spans.push(toned(theme, before, Tone::Warn));
        }
        let now = match app.recording() {
            Some((at_ns, _)) => at_ns,
            None => app.feed.model.captured_at_ns.max(server.captured_at_ns),
        };
        let up = duration(theme, now.saturating_sub(server.started_at_ns));
        spans.push(toned(theme, "  up ", Tone::Dim));
        spans.push(Span::raw(up));
        let pollers = app
            .feed
            .model
            .stats
            .as_ref()
            .map_or(server.pollers.len(), |stats| stats.pollers.len());
        spans.push(Span::raw(format!("  {pollers}")));
        spans.push(toned(
            theme,
            if pollers == 1 { " poller" } else { " pollers" },
            Tone::Dim,
        ));
        if let Some(outside) = &server.outside {
            let from = match outside.runtime.as_str() {
                "unknown" => "  read from outside".to_owned(),
                runtime => format!("  {runtime}, read from outside"),
            };
            spans.push(toned(theme, from, Tone::Warn));
        }
    }
    // The process and its start stand at the end of a path.
    let taken: usize = spans.iter().map(Span::width).sum();
    let target = text::cut_start(&app.target, room.saturating_sub(taken + 2), theme.ascii);
    if text::width(&target) > 8 || target == app.target {
        spans.push(toned(theme, format!("  {target}"), Tone::Dim));
    }
    Line::from(spans)
}

/// The processes that are looked at, with what was found in each; those that do not fit are
/// counted.
fn processes(app: &App, room: usize) -> Vec<Span<'static>> {
    let theme = app.theme;
    let mut spans = vec![Span::raw(" ")];
    let shown = app.tabs.iter().position(|it| it.is_shown).unwrap_or(0);
    let label = |label: &Label| {
        let lost = if label.is_lost { " LOST" } else { "" };
        match label.found {
            0 => format!(" {}{lost} ", label.name),
            found => format!(" {}{lost} !{found} ", label.name),
        }
    };
    // The shown one is among them.
    let widths: Vec<usize> = app.tabs.iter().map(|it| text::width(&label(it))).collect();
    let mut first = 0;
    while first < shown && widths.iter().take(shown + 1).skip(first).sum::<usize>() > room {
        first += 1;
    }
    let mut used = 0;
    let mut hidden = first;
    for (index, tab) in app.tabs.iter().enumerate().skip(first) {
        let text = label(tab);
        used += text::width(&text);
        if used > room && index > shown {
            hidden += 1;
            continue;
        }
        let tone = match tab.severity {
            _ if tab.is_lost => Tone::Bad,
            Some(Severity::Warning | Severity::Error) => Tone::Bad,
            _ => Tone::Dim,
        };
        spans.push(match tab.is_shown {
            true => Span::styled(text, theme.active()),
            false => toned(theme, text, tone),
        });
    }
    if hidden > 0 {
        spans.push(toned(theme, format!(" +{hidden} "), Tone::Dim));
    }
    spans.push(Span::raw(" "));
    spans
}

/// Which moment of a recording this is.
fn moment(app: &App) -> Option<Span<'static>> {
    let (at_ns, recording) = app.recording()?;
    let server = app.feed.server.as_ref()?;
    let all = recording.ends_at_ns.saturating_sub(recording.begins_at_ns);
    let all = duration(app.theme, all);
    let after = duration(app.theme, at_ns.saturating_sub(recording.begins_at_ns));
    // Of day and time the time is what is compared.
    let when = Anchor::of(server).rfc3339(at_ns).unwrap_or_default();
    let time = when.get(11..19).unwrap_or_default().to_owned();
    let what = match app.feed.is_remembered {
        true => "PAST",
        false => "recording",
    };
    Some(toned(
        app.theme,
        format!("{what}, {time}, {after} of {all}"),
        Tone::Warn,
    ))
}

/// Each state has its word: a colour alone would not do.
fn link(app: &App, room: usize) -> Line<'static> {
    let theme = app.theme;
    let mut spans = Vec::new();
    if app.frozen.is_some() {
        spans.push(toned(theme, "FROZEN  ", Tone::Warn));
    }
    let mark = if theme.ascii { "*" } else { "●" };
    if app.travel.in_memory && !app.feed.is_remembered {
        // Much may have to be read for that.
        spans.push(toned(theme, "going back  ", Tone::Warn));
    }
    match app.link() {
        _ if app.target.is_empty() => {}
        Link::Connecting => spans.push(toned(theme, format!("{mark} connecting"), Tone::Warn)),
        Link::Live if app.recording().is_some() => spans.extend(moment(app)),
        Link::Live => {
            let age = app.now.saturating_sub(app.fed_at);
            if age >= app.old_after {
                spans.push(toned(
                    theme,
                    format!("{mark} live, {}s old", age.as_secs()),
                    Tone::Warn,
                ));
            } else {
                spans.push(toned(theme, format!("{mark} live"), Tone::Good));
            }
        }
        Link::Lost {
            reason,
            attempt,
            retry_in,
        } => {
            let left = retry_in
                .saturating_sub(app.now.saturating_sub(app.fed_at))
                .as_secs_f32()
                .ceil();
            spans.push(toned(
                theme,
                format!(
                    "{mark} LOST (try {attempt}, next in {left:.0}s): {}",
                    text::cut(reason, room, theme.ascii)
                ),
                Tone::Bad,
            ));
        }
    }
    spans.push(Span::raw(" "));
    Line::from(spans)
}

/// The totals, most important first; what does not fit is left out.
fn totals(app: &App, room: u16) -> Line<'static> {
    let theme = app.theme;
    let model = &app.feed.model;
    let counts = Counts::of(model);
    let laws = model
        .stats
        .iter()
        .flat_map(|stats| &stats.pollers)
        .flat_map(|poller| &poller.laws);
    let violated = laws.filter(|law| law.violated).count();
    #[allow(clippy::cast_precision_loss)]
    let edges = model.edges_per_second().map(|rate| text::rate(rate as f64));

    let mut facts = vec![(
        text::grouped(counts.descriptors),
        "descriptors",
        Tone::Title,
    )];
    let found = app.feed.checkup.count();
    if let Some(grave) = found_tone(app) {
        let name = if found == 1 { "FINDING" } else { "FINDINGS" };
        facts.push((found.to_string(), name, grave));
    }
    if violated > 0 {
        facts.push((
            violated.to_string(),
            if violated == 1 {
                "LAW VIOLATED"
            } else {
                "LAWS VIOLATED"
            },
            Tone::Bad,
        ));
    }
    if let Some(age) = unpolled_ns(model) {
        facts.push((duration(theme, age), "WITHOUT A POLL", Tone::Bad));
    }
    facts.push((text::grouped(counts.waiters), "waiters", Tone::Parked));
    // Idle sockets are writable, so only input is worth a number.
    let (input, name) = match counts.unread {
        Some(unread) => (unread, "unread"),
        None => (counts.ready, "ready, not taken"),
    };
    facts.push((text::grouped(input), name, Tone::Ready));
    let server = app.feed.server.as_ref();
    let is_outside = server.is_some_and(|it| it.outside.is_some());
    if !is_outside {
        let name = match app.hides_sleeps {
            true => "sleeps hidden",
            false => "sleeps",
        };
        facts.push((text::grouped(counts.timers), name, Tone::Plain));
    }
    facts.push((
        text::grouped(model.lost),
        "lost frames",
        if model.lost > 0 {
            Tone::Bad
        } else {
            Tone::Plain
        },
    ));
    let edges = edges.filter(|_| !is_outside);
    facts.extend(edges.map(|edges| (edges, "edges/s", Tone::Plain)));

    let mut line = Line::from(Span::raw(" "));
    for (value, name, tone) in facts {
        let dot = if line.spans.len() > 1 {
            format!(" {} ", theme.dot())
        } else {
            String::new()
        };
        if line.width() + text::width(&dot) + value.len() + 1 + name.len() > usize::from(room) {
            break;
        }
        line.push_span(toned(theme, dot, Tone::Dim));
        line.push_span(toned(theme, value, tone));
        line.push_span(toned(theme, format!(" {name}"), Tone::Dim));
    }
    line
}

/// How grave it is that something was found, if it was.
fn found_tone(app: &App) -> Option<Tone> {
    let severity = app.feed.checkup.severity()?;
    Some(match severity {
        Severity::Warning | Severity::Error => Tone::Bad,
        Severity::Unspecified | Severity::Info => Tone::Title,
    })
}

#[derive(Default)]
struct Counts {
    descriptors: u64,
    timers: u64,
    waiters: u64,
    /// Whose readiness to be read no wait has taken, whatever it came from.
    ready: u64,
    /// In which there are bytes, says the kernel; `None` if it has said that of no socket.
    unread: Option<u64>,
}

impl Counts {
    fn of(model: &Model) -> Self {
        let mut counts = Self::default();
        for row in model.rows.values() {
            if row.fd < 0 {
                counts.timers += 1;
            } else {
                counts.descriptors += 1;
            }
            if let Some(bytes) = row.socket.as_ref().and_then(|it| it.recvq) {
                *counts.unread.get_or_insert(0) += u64::from(bytes > 0);
            }
            for direction in Direction::ALL {
                match row.side(direction).map(Side::state) {
                    Some(State::Parked) => counts.waiters += 1,
                    Some(State::Ready) if direction == Direction::Read => counts.ready += 1,
                    _ => {}
                }
            }
        }
        counts
    }
}

/// The longest time for which no poller has come for what is due to one who waits: that it has not
/// polled for long says nothing by itself, as a runtime polls where there is something to fetch.
fn unpolled_ns(model: &Model) -> Option<u64> {
    let stats = model.stats.as_ref()?;
    let now = stats.captured_at_ns;
    let pollers = stats.pollers.iter().filter_map(|it| it.poller.as_ref());
    // Inside epoll_wait it has begun to come.
    let away = pollers.filter(|it| {
        !it.blocked && it.waiters > 0 && it.last_poll_ns != 0 && now > it.last_poll_ns
    });
    let is_kept_waiting = |poller: &Poller| {
        let since =
            |moment: u64| moment > poller.last_poll_ns && now.saturating_sub(moment) >= LATE_NS;
        model
            .rows
            .values()
            .any(|row| row.poller == poller.name && due_at_ns(row).into_iter().flatten().any(since))
    };
    away.filter(|poller| is_kept_waiting(poller))
        .map(|poller| now - poller.last_poll_ns)
        .max()
}

/// When there was something to do for those who are parked: the moment of a deadline, in either
/// direction, and that of the last bytes if some are unread.
fn due_at_ns(row: &Descriptor) -> [Option<u64>; 3] {
    let parked = |direction| {
        row.side(direction)
            .filter(|side| side.state() == State::Parked)
    };
    let deadline = |side: &Side| Some(side.deadline_ns).filter(|deadline| *deadline > 1);
    let reader = parked(Direction::Read);
    let socket = row.socket.as_ref().filter(|it| it.recvq.unwrap_or(0) > 0);
    [
        reader.and_then(deadline),
        parked(Direction::Write).and_then(deadline),
        reader.and_then(|_| socket?.last_recv_ns),
    ]
}

/// The labels of the views, and what stands behind each. They move together; then the last ones,
/// but for the open one, are their keys alone, before one is cut.
pub(super) fn labels(app: &App, width: u16) -> (Vec<String>, &'static str) {
    let room = usize::from(width.saturating_sub(1));
    let whole = |view: &View| format!(" {} {} ", view.key, view.title);
    let mut labels: Vec<String> = app.views.iter().map(whole).collect();
    let taken = |labels: &[String]| labels.iter().map(|it| text::width(it)).sum::<usize>();
    if taken(&labels) + labels.len() <= room {
        return (labels, " ");
    }
    for (index, view) in app.views.iter().enumerate().rev() {
        if taken(&labels) <= room {
            break;
        }
        if let Some(label) = labels.get_mut(index).filter(|_| index != app.open) {
            *label = format!(" {} ", view.key);
        }
    }
    (labels, "")
}

pub(super) fn tabs(app: &App, frame: &mut Frame<'_>, area: Rect) {
    let (labels, between) = labels(app, area.width);
    let mut spans = vec![Span::raw(" ")];
    for (index, label) in labels.into_iter().enumerate() {
        spans.push(if index == app.open {
            Span::styled(label, app.theme.active())
        } else {
            toned(app.theme, label, Tone::Dim)
        });
        spans.push(Span::raw(between));
    }
    frame.render_widget(Paragraph::new(Line::from(spans)), area);
}
