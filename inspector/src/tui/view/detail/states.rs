//! The states of a direction, rg or wg, and what leads from one to the next; the present one is
//! lit.

use netpoller_proto::v1::State;
use ratatui::text::{Line, Span};

use super::super::super::theme::Theme;
use super::super::widgets::toned;
use crate::paint::Tone;
use crate::table::state_cell;
use crate::text;

/// The states in the order of a wait, with what leads on from each.
const CYCLE: [(State, &str); 4] = [
    (State::Nil, "arm"),
    (State::Wait, "park"),
    (State::Parked, "event"),
    (State::Ready, "consume"),
];

/// The cycle on one line, with the names of its transitions where there is room for them.
pub(super) fn diagram(theme: Theme, now: State, width: usize) -> Line<'static> {
    let line = |with_names: bool| {
        let mut spans = vec![Span::raw(" ")];
        for (state, leads_on) in CYCLE {
            let cell = state_cell(state);
            spans.push(match state == now {
                true => Span::styled(format!(" {} ", cell.text), theme.lit(cell.tone)),
                false => toned(theme, format!(" {} ", cell.text), Tone::Dim),
            });
            let arrow = match (theme.ascii, with_names) {
                (false, true) => format!("─{leads_on}→"),
                (false, false) => "→".to_owned(),
                (true, true) => format!("-{leads_on}>"),
                (true, false) => ">".to_owned(),
            };
            spans.push(toned(theme, arrow, Tone::Dim));
        }
        spans.push(toned(theme, " nil".to_owned(), Tone::Dim));
        Line::from(spans)
    };
    let named = line(true);
    let taken: usize = named
        .spans
        .iter()
        .map(|span| text::width(&span.content))
        .sum();
    match taken <= width {
        true => named,
        false => line(false),
    }
}
