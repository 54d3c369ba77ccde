//! Where one is, and what is shown there: views, cursors, what lies over them, and the rows that
//! the filter admits.

use std::sync::Arc;

use netpoller_proto::Part;
use netpoller_proto::v1::{Descriptor, Event};

use super::app::{App, Body, Detail, EntryKey, Overlay, Place, TableState, Wants};
use super::columns::Chooser;
use super::command::Which;
use super::view;
use crate::events::subject;
use crate::model::RowKey;
use crate::query::Query;
use crate::table::{self, Context, EVENTS, Entry, GroupBy, Shown, SortSpec};

pub(super) fn back(app: &mut App) {
    if app.overlay.take().is_some() {
        return;
    }
    if let Some(table) = app.table_mut()
        && let Some((by, key)) = table.within.take()
    {
        table.by = Some(by);
        refresh(app);
        if let Some(table) = app.table_mut() {
            restore_group(table, Some(&key));
        }
        return scroll_into_view(app);
    }
    match app.filter.text.is_empty() {
        true => app.travel.in_memory = false,
        false => {
            app.filter = Default::default();
            apply_filter(app);
        }
    }
}

/// What one goes by, through what was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Interval,
    Finding,
}

/// Goes to another moment: of a recording, or of what is remembered of a process, whose last moment
/// is now.
pub(super) fn travel(app: &mut App, by: By, forth: bool) {
    let is_remembered = app.feed.is_remembered;
    let is_there = match app.recording() {
        Some(_) if forth => !app.feed.is_over,
        Some((at_ns, recording)) => at_ns > recording.begins_at_ns,
        None => !forth && app.feed.server.is_some(),
    };
    if !is_there {
        // Behind the last moment that is remembered is now.
        app.travel.in_memory &= !forth || by == By::Finding && is_remembered;
        return;
    }
    app.travel.in_memory |= is_remembered || app.recording().is_none();
    let moved = match by {
        By::Interval => &mut app.travel.steps,
        By::Finding => &mut app.travel.finds,
    };
    *moved += if forth { 1 } else { -1 };
}

pub(super) fn freeze(app: &mut App) {
    match app.frozen.take() {
        None => app.frozen = Some(Box::new(app.feed.clone())),
        Some(latest) => {
            let chosen = app.chosen();
            app.feed = *latest;
            refresh(app);
            follow_step(app, chosen.as_deref());
        }
    }
}

pub(super) fn show(app: &mut App, index: usize) {
    if index < app.views.len() {
        app.open = index;
        app.overlay = None;
        // What it can be about, the view decides.
        apply_filter(app);
    }
}

pub(super) fn turn(app: &mut App, by: usize) {
    show(app, (app.open + by) % app.views.len().max(1));
}

pub(super) fn open(app: &mut App) {
    if app.overlay.is_none() && app.table().is_some_and(|table| table.by.is_some()) {
        return enter_group(app);
    }
    if app.overlay.is_none()
        && let Some(last) = app.descriptor()
    {
        app.overlay = Some(Overlay::Detail(Detail {
            last,
            answer: None,
            seen_ns: app.feed.model.captured_at_ns,
            epoch: app.feed.model.epoch,
            scroll: 0,
        }));
        if let Some(table) = app.table_mut() {
            table.selected = table.current().map(key);
        }
        follow_detail(app);
    }
}

/// The details of the row before, or of the one behind.
pub(super) fn neighbour(app: &mut App, by: isize) {
    if !matches!(app.overlay, Some(Overlay::Detail(_))) {
        return;
    }
    let here = app.overlay.take();
    step(app, by);
    open(app);
    if app.overlay.is_none() {
        // What stands there is not about a descriptor.
        app.overlay = here;
    }
}

/// What was chosen in a view that draws itself stays so, wherever it stands now.
pub(super) fn follow_step(app: &mut App, chosen: Option<&str>) {
    let last = app.steps().saturating_sub(1);
    let Some(Body::Drawn { steps, .. }) = app.view().map(|view| &view.body) else {
        return;
    };
    let place = chosen.and_then(|chosen| {
        let mut places = 0..=last;
        places.find(|place| (steps.name)(app, *place).as_deref() == Some(chosen))
    });
    let place = place.unwrap_or(app.step()).min(last);
    if let Some(Place::Step(step)) = app.place_mut() {
        *step = place;
    }
}

pub(super) fn sort_next(app: &mut App) {
    if let Some(table) = app.table_mut() {
        let all = !table.columns.is_empty();
        let columns = table.columns();
        let shown: Vec<_> = columns
            .filter(|column| all || column.shown == Shown::Always)
            .collect();
        let here = shown
            .iter()
            .position(|column| column.name == table.sort.column)
            .unwrap_or(0);
        if let Some(next) = shown.get((here + 1) % shown.len().max(1)) {
            table.sort.column = next.name.to_owned();
            table.sort.descending = next.largest_first;
        }
    }
    refresh(app);
}

/// Sorts by this column, or turns its order round.
pub(super) fn sort_at(app: &mut App, name: &str) {
    if let Some(table) = app.table_mut()
        && let Ok(column) = table::find(table.table.columns, name)
    {
        table.sort = SortSpec {
            descending: match table.sort.column == column.name {
                true => !table.sort.descending,
                false => column.largest_first,
            },
            column: column.name.to_owned(),
        };
    }
    refresh(app);
}

/// Puts the cursor on a row; on the row where it stands already, opens its details.
pub(super) fn choose(app: &mut App, row: usize) {
    let Some(table) = app.table_mut() else { return };
    let is_there = table.cursor == row && (table.selected.is_some() || table.by.is_some());
    table.cursor = row;
    table.selected = table.current().map(key);
    if is_there {
        open(app);
    }
    scroll_into_view(app);
}

pub(super) fn page(app: &App) -> isize {
    // What lies over the view has a border, and one line of the page before is seen again.
    let less = if app.overlay.is_some() { 2 } else { 0 };
    let lines = view::rows_visible(app).saturating_sub(less).max(1);
    isize::try_from(lines).unwrap_or(1)
}

/// Moves the cursor, or scrolls what has none.
pub(super) fn step(app: &mut App, by: isize) {
    let moved = |place: usize, last: usize| place.min(last).saturating_add_signed(by).min(last);
    let room = view::room_below(app);
    match &mut app.overlay {
        Some(Overlay::Help(scroll)) => {
            *scroll = moved(*scroll, room);
            return;
        }
        Some(Overlay::Detail(detail)) => {
            detail.scroll = moved(detail.scroll, room);
            return;
        }
        Some(Overlay::Columns(chooser)) => {
            chooser.cursor = moved(chooser.cursor, chooser.all.len().saturating_sub(1));
            return;
        }
        Some(Overlay::Targets(offer)) => {
            let choices = offer.choices.as_ref().map_or(0, Vec::len);
            offer.cursor = moved(offer.cursor, choices.saturating_sub(1));
            return;
        }
        None => {}
    }
    let last = app.steps().saturating_sub(1);
    match app.place_mut() {
        Some(Place::Table(table)) => {
            table.cursor = moved(table.cursor, last);
            // Whoever goes to the top wants to see what comes up there, not the row that happens
            // to be there now.
            let follows = table.cursor > 0 || by > 0;
            table.selected = table.current().filter(|_| follows).map(key);
            scroll_into_view(app);
        }
        Some(Place::Step(step)) => {
            *step = moved(*step, last);
            // Another histogram has other bars.
            app.latency.bar = None;
        }
        None => {}
    }
}

/// Chooses the bar before the chosen one, or the one behind.
pub(super) fn choose_bar(app: &mut App, forth: bool) {
    app.latency.bar = view::neighbour(app, forth);
}

/// Parses the filter again. Text with a comparison in it is an expression; any other is a word to
/// look for.
pub(crate) fn apply_filter(app: &mut App) {
    let text = app.filter.text.trim();
    app.filter.error = None;
    app.filter.query = None;
    if text.contains(['=', '<', '>', '~']) {
        let read = text.parse::<Query>().and_then(|query| {
            if let Some(scope) = app.view().and_then(|view| view.scope) {
                query.check(scope)?;
            }
            query.check_pollers(app.pollers())?;
            Ok(query)
        });
        match read {
            Ok(query) => app.filter.query = Some(query),
            Err(error) => app.filter.error = Some(error),
        }
    }
    app.events.begin_anew();
    refresh(app);
}

/// Shows the events that have come, if the filter admits them.
fn take_events(app: &mut App) {
    if !app.wants(Wants::Events) {
        return;
    }
    let mut events = std::mem::take(&mut app.events);
    let (context, filter) = (app.context(), &app.filter);
    let word = filter.text.trim().to_lowercase();
    let row = |event: &Event| subject(event, app.row_of(event).as_deref());
    let admits = |event: &Event| match &filter.query {
        Some(query) => {
            let (row, direction) = row(event);
            let part = Part {
                row: &row,
                direction,
            };
            query.holds(part, event.at_ns)
        }
        None if word.is_empty() || filter.error.is_some() => true,
        None => EVENTS.iter().any(|column| {
            let text = column.cell(event, &context).text;
            text.to_lowercase().contains(&word)
        }),
    };
    events.take(&app.feed.events, admits, row);
    app.events = events;
}

/// Makes the rows of the open table again and puts the cursor back on the row that it was on.
pub(super) fn refresh(app: &mut App) {
    let context = app.context();
    let rows: Vec<Arc<Descriptor>> = app.feed.model.rows.values().cloned().collect();
    let (filter, hides_sleeps) = (app.filter.clone(), app.hides_sleeps);
    if let Some(table) = app.table_mut() {
        let mut entries = (table.table.entries)(rows);
        if hides_sleeps {
            entries.retain(|entry| entry.row.fd >= 0);
        }
        let word = filter.text.trim().to_lowercase();
        match &filter.query {
            Some(query) => entries.retain(|entry| query.admits(entry, context.now_ns)),
            // While an expression is being typed, everything is shown.
            None if word.is_empty() || filter.error.is_some() => {}
            None => entries.retain(|entry| mentions(table, entry, &word, &context)),
        }
        // The names of sort columns come from the table itself, so this cannot fail.
        let _ = table::sort(table.table.columns, &mut entries, &table.sort);
        if let Some((by, key)) = &table.within {
            entries.retain(|entry| by.key(entry) == *key);
        }
        let before = table.group().map(|(_, group)| group.key.clone());
        table.groups = match table.by {
            Some(by) => table::grouped(&entries, by, &context),
            None => Vec::new(),
        };
        table.rows = entries;
        match table.by {
            Some(_) => restore_group(table, before.as_deref()),
            None => restore_cursor(table),
        }
    }
    take_events(app);
    if app.wants(Wants::Latencies) {
        app.latency.take(&app.feed);
    }
    follow_detail(app);
    scroll_into_view(app);
    keep_widths(app);
}

/// Columns do not become narrower while rows come and go.
fn keep_widths(app: &mut App) {
    if app.table().is_some_and(|table| table.by.is_some()) {
        return;
    }
    let widths = view::widths(app);
    if let Some(table) = app.table_mut() {
        table.widths.extend(widths);
    }
}

/// Some column of the row contains the word.
fn mentions(table: &TableState, entry: &Entry, word: &str, context: &Context) -> bool {
    table.columns().any(|column| {
        column
            .cell(entry, context)
            .text
            .to_lowercase()
            .contains(word)
    })
}

fn key(entry: &Entry) -> EntryKey {
    (RowKey::of(&entry.row), entry.direction)
}

/// The cursor follows the row that was chosen. If that is gone, it stays at its place, on the row
/// that is there now. As long as none was chosen, it stays at the top: what the order puts first is
/// what there is to see.
fn restore_cursor(table: &mut TableState) {
    let Some(selected) = &table.selected else {
        table.cursor = 0;
        return;
    };
    let found = table.rows.iter().position(|entry| key(entry) == *selected);
    table.cursor = found
        .unwrap_or(table.cursor)
        .min(table.rows.len().saturating_sub(1));
    table.selected = table.current().map(key);
}

/// The cursor stays on its group, or at its place.
fn restore_group(table: &mut TableState, key: Option<&str>) {
    let mut groups = table.groups.iter();
    let found = key.and_then(|key| groups.position(|group| group.key == key));
    let last = table.groups.len().saturating_sub(1);
    table.cursor = found.unwrap_or(table.cursor).min(last);
}

/// Groups the rows by what they have in common, by one thing after the other; at last not.
pub(super) fn group_next(app: &mut App) {
    if let Some(table) = app.table_mut() {
        let mut all = GroupBy::ALL.into_iter();
        table.by = match table.by {
            None => all.next(),
            Some(here) => all.skip_while(|it| *it != here).nth(1),
        };
        (table.cursor, table.offset, table.within) = (0, 0, None);
        table.groups.clear();
    }
    refresh(app);
}

/// Shows the rows of the group under the cursor.
fn enter_group(app: &mut App) {
    let group = app.table().and_then(TableState::group);
    let Some((by, key)) = group.map(|(by, group)| (by, group.key.clone())) else {
        return;
    };
    if let Some(table) = app.table_mut() {
        table.within = Some((by, key));
        table.by = None;
        (table.cursor, table.selected) = (0, None);
    }
    refresh(app);
}

/// The details show the row as it is; when it goes, as it was.
fn follow_detail(app: &mut App) {
    let Some(Overlay::Detail(detail)) = &mut app.overlay else {
        return;
    };
    if detail.epoch != app.feed.model.epoch {
        return;
    }
    let key = RowKey::of(&detail.last);
    if let Some(row) = app.feed.model.rows.get(&key) {
        detail.last = Arc::clone(row);
        detail.seen_ns = app.feed.model.captured_at_ns;
    }
    let described = app.feed.described.as_ref();
    let row = described.and_then(|it| it.descriptor.as_ref());
    if row.is_some_and(|row| RowKey::of(row) == key) {
        detail.answer = described.cloned();
    }
}

pub(super) fn scroll_into_view(app: &mut App) {
    let visible = view::rows_visible(app);
    if let Some(table) = app.table_mut() {
        let last_offset = table.len().saturating_sub(visible);
        table.offset = table
            .offset
            .min(table.cursor)
            .max((table.cursor + 1).saturating_sub(visible))
            .min(last_offset);
    }
}

/// Opens the details of a descriptor that is called so, in the view of descriptors.
pub(super) fn find(app: &mut App, which: &Which) -> Result<(), String> {
    let is_it = |entry: &Entry| match which {
        Which::Fd(fd) => entry.row.fd == *fd,
        Which::Id(id) => entry.row.id().to_string() == *id || entry.row.key() == *id,
    };
    if app.table().is_none() {
        show(app, 0);
    }
    if let Some(table) = app.table_mut()
        && table.by.take().is_some()
    {
        refresh(app);
    }
    let rows = app.table().map(|table| &table.rows);
    let Some(place) = rows.and_then(|rows| rows.iter().position(is_it)) else {
        return Err(match app.filter.text.is_empty() {
            true => "no row is called so".into(),
            false => "no row that the filter admits is called so; esc clears it".into(),
        });
    };
    app.overlay = None;
    choose(app, place);
    open(app);
    Ok(())
}

/// Changes the columns of the open table.
pub(super) fn choose_columns(app: &mut App, change: impl FnOnce(&mut Chooser)) {
    let Some(Overlay::Columns(chooser)) = &mut app.overlay else {
        return;
    };
    change(chooser);
    let shown = chooser.shown();
    set_columns(app, &shown);
}

/// Shows these columns; the usual ones, if there are none.
pub(super) fn set_columns(app: &mut App, names: &[&str]) {
    if let Some(table) = app.table_mut() {
        let columns = names.iter();
        let columns = columns.filter_map(|name| table::find(table.table.columns, name).ok());
        table.columns = columns.collect();
        table.widths.clear();
    }
    refresh(app);
}

/// Sorts by a column in an order.
pub(super) fn set_sort(app: &mut App, by: SortSpec) {
    if let Some(table) = app.table_mut() {
        table.sort = by;
    }
    refresh(app);
}
