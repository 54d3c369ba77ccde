//! From the state to a picture: the views, one file each and a line in their table, and what stands
//! around them.
//!
//! | file | holds |
//! |---|---|
//! | `table`, `latency`, `pollers`, `leaks`, `findings`, `events`, `timeline` | the views |
//! | `screen`, `areas` | the whole screen, and where everything stands |
//! | `hit` | what stands where the mouse points |
//! | `header`, `footer` | what stands around a view |
//! | `detail`, `help`, `list` | what lies over it |
//! | `histogram`, `sheet`, `widgets` | what views are made of |
//!
//! Everything is drawn within the area that the frame has now, which need not be the size that the
//! state knows: nothing here may index or subtract without looking.

mod areas;
mod detail;
mod events;
mod findings;
mod footer;
mod header;
mod help;
mod histogram;
mod hit;
mod latency;
mod leaks;
mod list;
mod pollers;
mod screen;
mod sheet;
mod table;
mod timeline;
mod widgets;

pub(crate) use areas::rows_visible;
pub(crate) use hit::{Hit, hit};
pub(crate) use latency::neighbour;
pub(crate) use screen::{render, room_below};
pub(crate) use table::widths;

use super::app::View;

/// The views, in the order of their tabs.
pub(crate) static VIEWS: &[View] = &[
    table::DESCRIPTORS,
    table::WAITERS,
    latency::VIEW,
    pollers::VIEW,
    leaks::VIEW,
    findings::VIEW,
    events::VIEW,
    timeline::VIEW,
];
