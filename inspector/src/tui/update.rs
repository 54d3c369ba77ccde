//! From a message to a new state. No input, no output, no clock.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use netpoller_proto::Part;
use netpoller_proto::v1::{Descriptor, Event};

use super::app::{App, Body, Detail, EntryKey, Overlay, Place, TableState, Wants};
use super::binding::Action;
use super::known::Feed;
use super::view::{self, Hit};
use crate::events::subject;
use crate::model::RowKey;
use crate::query::Query;
use crate::table::{self, Context, EVENTS, Entry, Shown, SortSpec};

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum Msg {
    Key(KeyEvent),
    Resize(u16, u16),
    /// Text that was pasted.
    Paste(String),
    Mouse(MouseEvent),
    Feed(Box<Feed>),
    /// Time since the start of the UI.
    Tick(Duration),
}

/// What the loop has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cmd {
    Quit,
    Suspend,
    /// Draw every cell, because others may have written to the terminal.
    Redraw,
}

/// Takes a message.
pub(crate) fn update(app: &mut App, msg: Msg) -> Option<Cmd> {
    match msg {
        Msg::Tick(now) => app.now = app.now.max(now),
        Msg::Resize(width, height) => {
            app.size = (width, height);
            scroll_into_view(app);
        }
        Msg::Feed(feed) => take_feed(app, *feed),
        Msg::Paste(text) if app.filter.editing => {
            app.filter
                .text
                .extend(text.chars().filter(|letter| !letter.is_control()));
            apply_filter(app);
        }
        Msg::Paste(_) => {}
        Msg::Mouse(event) => point(app, event),
        Msg::Key(key) if key.kind == KeyEventKind::Release => {}
        Msg::Key(key) if app.filter.editing => return edit_filter(app, key),
        Msg::Key(key) => return app.keymap.action(key).and_then(|action| act(app, action)),
    }
    None
}

fn take_feed(app: &mut App, feed: Feed) {
    app.fed_at = app.now;
    if let Some(latest) = &mut app.frozen {
        **latest = feed;
        return;
    }
    let knows_pollers = app.feed.server.is_some();
    let chosen = app.chosen();
    app.feed = feed;
    if knows_pollers {
        refresh(app);
    } else {
        // It could not be held against the names of pollers before.
        apply_filter(app);
    }
    follow_step(app, chosen.as_deref());
}

fn act(app: &mut App, action: Action) -> Option<Cmd> {
    match action {
        Action::Quit => return Some(Cmd::Quit),
        Action::Suspend => return Some(Cmd::Suspend),
        Action::Redraw => return Some(Cmd::Redraw),
        Action::Help => {
            app.overlay = match app.overlay {
                Some(Overlay::Help(_)) => None,
                _ => Some(Overlay::Help(0)),
            };
        }
        Action::Back => back(app),
        Action::Freeze => freeze(app),
        Action::View(index) => show(app, index),
        Action::NextView => turn(app, 1),
        Action::PreviousView => turn(app, app.views.len().saturating_sub(1)),
        Action::Up => step(app, -1),
        Action::Down => step(app, 1),
        Action::PageUp => step(app, -page(app)),
        Action::PageDown => step(app, page(app)),
        Action::First => step(app, isize::MIN),
        Action::Last => step(app, isize::MAX),
        Action::Open => open(app),
        Action::Left => neighbour(app, -1),
        Action::Right => neighbour(app, 1),
        Action::SortNext if app.overlay.is_none() => sort_next(app),
        Action::SortInvert if app.overlay.is_none() => {
            if let Some(table) = app.table_mut() {
                table.sort.descending = !table.sort.descending;
            }
            refresh(app);
        }
        Action::Filter
            if app.overlay.is_none() && app.view().is_some_and(|view| view.scope.is_some()) =>
        {
            app.filter.editing = true
        }
        Action::Sleeps if app.overlay.is_none() => {
            app.hides_sleeps = !app.hides_sleeps;
            refresh(app);
        }
        Action::Aggregate if app.overlay.is_none() && app.wants(Wants::Events) => {
            app.events.are_counted = !app.events.are_counted;
            step(app, isize::MIN);
        }
        Action::SortNext
        | Action::SortInvert
        | Action::Filter
        | Action::Aggregate
        | Action::Sleeps => {}
    }
    None
}

fn back(app: &mut App) {
    if app.overlay.take().is_none() && !app.filter.text.is_empty() {
        app.filter = Default::default();
        apply_filter(app);
    }
}

fn freeze(app: &mut App) {
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

fn show(app: &mut App, index: usize) {
    if index < app.views.len() {
        app.open = index;
        app.overlay = None;
        // What it can be about, the view decides.
        apply_filter(app);
    }
}

fn turn(app: &mut App, by: usize) {
    show(app, (app.open + by) % app.views.len().max(1));
}

fn open(app: &mut App) {
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
fn neighbour(app: &mut App, by: isize) {
    let Some(Overlay::Detail(here)) = app.overlay.take() else {
        return;
    };
    step(app, by);
    open(app);
    if app.overlay.is_none() {
        // What stands there is not about a descriptor.
        app.overlay = Some(Overlay::Detail(here));
    }
}

/// What was chosen in a view that draws itself stays so, wherever it stands now.
fn follow_step(app: &mut App, chosen: Option<&str>) {
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

fn sort_next(app: &mut App) {
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

/// Lines by which the wheel scrolls.
const WHEEL: isize = 3;

fn point(app: &mut App, event: MouseEvent) {
    match event.kind {
        MouseEventKind::ScrollUp => step(app, -WHEEL),
        MouseEventKind::ScrollDown => step(app, WHEEL),
        MouseEventKind::Down(MouseButton::Left) => {
            let hit = view::hit(app, event.column, event.row);
            match hit {
                Some(Hit::Tab(view)) => show(app, view),
                Some(Hit::Title(column)) if app.overlay.is_none() => sort_at(app, column),
                Some(Hit::Row(row)) if app.overlay.is_none() => choose(app, row),
                _ => {}
            }
        }
        _ => {}
    }
}

/// Sorts by this column, or turns its order round.
fn sort_at(app: &mut App, name: &str) {
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
fn choose(app: &mut App, row: usize) {
    let Some(table) = app.table_mut() else { return };
    let is_there = table.cursor == row && table.selected.is_some();
    table.cursor = row;
    table.selected = table.current().map(key);
    if is_there {
        open(app);
    }
    scroll_into_view(app);
}

fn page(app: &App) -> isize {
    // What lies over the view has a border, and one line of the page before is seen again.
    let less = if app.overlay.is_some() { 2 } else { 0 };
    let lines = view::rows_visible(app).saturating_sub(less).max(1);
    isize::try_from(lines).unwrap_or(1)
}

/// Moves the cursor, or scrolls what has none.
fn step(app: &mut App, by: isize) {
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
        Some(Place::Step(step)) => *step = moved(*step, last),
        None => {}
    }
}

fn edit_filter(app: &mut App, key: KeyEvent) -> Option<Cmd> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if control => return Some(Cmd::Quit),
        KeyCode::Char('z') if control => return Some(Cmd::Suspend),
        KeyCode::Char('u') if control => app.filter.text.clear(),
        KeyCode::Char('w') if control => {
            let kept = app
                .filter
                .text
                .trim_end()
                .rfind(' ')
                .map_or(0, |space| space + 1);
            app.filter.text.truncate(kept);
        }
        KeyCode::Char(letter) if !control => app.filter.text.push(letter),
        KeyCode::Backspace => {
            app.filter.text.pop();
        }
        // With an error in it there is nothing to accept: it stays open, to be mended or given up.
        KeyCode::Enter => app.filter.editing = app.filter.error.is_some(),
        KeyCode::Esc => app.filter = Default::default(),
        KeyCode::Up => step(app, -1),
        KeyCode::Down => step(app, 1),
        _ => return None,
    }
    apply_filter(app);
    None
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
fn refresh(app: &mut App) {
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
        table.rows = entries;
        restore_cursor(table);
    }
    take_events(app);
    follow_detail(app);
    scroll_into_view(app);
    keep_widths(app);
}

/// Columns do not become narrower while rows come and go.
fn keep_widths(app: &mut App) {
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

fn scroll_into_view(app: &mut App) {
    let visible = view::rows_visible(app);
    if let Some(table) = app.table_mut() {
        let last_offset = table.rows.len().saturating_sub(visible);
        table.offset = table
            .offset
            .min(table.cursor)
            .max((table.cursor + 1).saturating_sub(visible))
            .min(last_offset);
    }
}
