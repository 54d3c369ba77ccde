//! What the pictures of a histogram have in common.

use ratatui::text::Line;

use super::super::super::app::App;
use super::super::super::latency::Shown;
use super::super::widgets::{duration, toned};
use crate::paint::Tone;
use crate::text;

/// Room of a number.
pub(super) const NUMBER: usize = 8;

/// Over the picture: what it is of, and how much there is.
pub(super) fn title(app: &App, shown: &Shown, more: &str) -> Line<'static> {
    let (theme, latency) = (app.theme, &app.latency);
    let of = match latency.over_ns {
        Some(over_ns) if !latency.is_over_time => {
            format!("of the last {}", duration(theme, over_ns))
        }
        _ if latency.is_over_time => "over time".to_owned(),
        _ if latency.lacks_interval() => {
            "of all time, for the last interval is not known here".to_owned()
        }
        _ => "of all time".to_owned(),
    };
    let poller = match &latency.poller {
        Some(poller) => format!(", poller {poller}"),
        None => String::new(),
    };
    Line::from(vec![
        toned(theme, format!(" {}", shown.histogram.name), Tone::Title),
        toned(theme, format!(" {of}{poller}{more}"), Tone::Dim),
    ])
}

pub(super) fn written(app: &App, value: u64, unit: &str) -> String {
    let sample = text::sample(value, unit);
    if app.theme.ascii {
        text::ascii(sample)
    } else {
        sample
    }
}
