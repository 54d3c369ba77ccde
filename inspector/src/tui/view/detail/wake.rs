//! The last wake as a bar: whose share of it was how large.

use netpoller_proto::v1::Wake;
use ratatui::text::Line;

use super::super::super::theme::Theme;
use super::super::widgets::toned;
use crate::paint::Tone;

/// Cells of the bar.
const CELLS: u64 = 30;

/// A bar and what its parts are, where they are known.
pub(super) fn shares(theme: Theme, wake: &Wake, indent: usize, width: usize) -> Vec<Line<'static>> {
    // The bound may be a time in which there was nothing to do.
    let before = wake.before_poll_told_ns.or(wake.before_poll_ns);
    let before = before.filter(|_| !wake.before_poll_idle).unwrap_or(0);
    let parts = [
        ("kernel", before, '▓', '#'),
        ("poller", wake.poller_to_waker_ns, '▒', '='),
        ("scheduler", wake.waker_to_run_ns, '░', '-'),
    ];
    let all: u128 = parts.iter().map(|it| u128::from(it.1)).sum();
    if wake.pending || all == 0 || width < indent + 12 {
        return Vec::new();
    }
    let cells = CELLS.min((width - indent) as u64);
    let share = |part: u64, of: u64| {
        let share = (u128::from(part) * u128::from(of) + all / 2) / all;
        usize::try_from(share).unwrap_or(0)
    };
    let mut bar = String::new();
    let mut said = Vec::new();
    for (name, part, pretty, plain) in parts {
        let mark = if theme.ascii { plain } else { pretty };
        bar.extend(std::iter::repeat_n(mark, share(part, cells)));
        said.push(format!("{mark} {name} {} %", share(part, 100)));
    }
    let said = said.join("  ");
    let line = |text: String| {
        let text = format!("{}{text}", " ".repeat(indent));
        Line::from(toned(theme, text, Tone::Plain))
    };
    match indent + bar.chars().count() + 2 + said.chars().count() <= width {
        true => vec![line(format!("{bar}  {said}"))],
        false => vec![line(bar), line(said)],
    }
}
