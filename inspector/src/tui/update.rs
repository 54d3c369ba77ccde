//! From a message to a new state. No input, no output, no clock.

use std::time::Duration;

use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::app::{App, Overlay, Prompt, Wants};
use super::binding::Action;
use super::columns::Chooser;
use super::command::{self, Said};
use super::known::Feed;
use super::moves::{
    By, apply_filter, back, choose, choose_bar, choose_columns, find, follow_step, freeze,
    group_next, neighbour, open, page, refresh, scroll_into_view, set_columns, set_sort, show,
    sort_at, sort_next, step, travel, turn,
};
use super::saved;
use super::targets::Offer;
use super::view::{self, Hit};
use crate::source::TargetSpec;

/// What happened.
#[derive(Debug, Clone)]
pub(crate) enum Msg {
    Key(KeyEvent),
    Resize(u16, u16),
    /// Text that was pasted.
    Paste(String),
    Mouse(MouseEvent),
    /// What can be looked at.
    Offer(Offer),
    /// What has become of a command.
    Done(Result<String, String>),
    Feed(Box<Feed>),
    /// Time since the start of the UI.
    Tick(Duration),
}

/// What the loop has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cmd {
    Quit,
    /// Put it on the clipboard of the terminal.
    Copy(String),
    /// Write it to a file that is not there yet.
    Save {
        path: String,
        bytes: Vec<u8>,
    },
    Suspend,
    /// Look for all that can be looked at.
    Offer,
    /// Look at this one beside the others.
    Look(TargetSpec),
    /// Show the next of those that are looked at, or the one before.
    Turn {
        forth: bool,
    },
    /// Look no longer at this one.
    Close,
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
        Msg::Offer(found) => match &mut app.overlay {
            Some(Overlay::Targets(offer)) => offer.take(found),
            None if found.choices.is_none() => app.overlay = Some(Overlay::Targets(found)),
            _ => {}
        },
        Msg::Done(said) => app.notice = Some(said),
        Msg::Paste(text) if app.command.is_some() => {
            let letters = text.chars().filter(|letter| !letter.is_control());
            if let Some(prompt) = &mut app.command {
                prompt.text.extend(letters);
            }
        }
        Msg::Paste(_) => {}
        Msg::Mouse(event) => point(app, event),
        Msg::Key(key) if key.kind == KeyEventKind::Release => {}
        Msg::Key(key) if app.command.is_some() => return edit_command(app, key),
        Msg::Key(key) if app.filter.editing => return edit_filter(app, key),
        Msg::Key(key) => {
            app.notice = None;
            return app.keymap.action(key).and_then(|action| act(app, action));
        }
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
        Action::Command => app.command = Some(Prompt::default()),
        Action::Copy => return say(app, Said::Copy),
        Action::Save => return say(app, Said::Save(None)),
        Action::Help => {
            app.overlay = match app.overlay {
                Some(Overlay::Help(_)) => None,
                _ => Some(Overlay::Help(0)),
            };
        }
        Action::Back => back(app),
        Action::Freeze => match app.overlay {
            Some(Overlay::Columns(_)) => choose_columns(app, Chooser::turn),
            _ => freeze(app),
        },
        Action::TimeBack => travel(app, By::Interval, false),
        Action::TimeForth => travel(app, By::Interval, true),
        Action::FindingBack => travel(app, By::Finding, false),
        Action::FindingForth => travel(app, By::Finding, true),
        Action::View(index) => show(app, index),
        Action::NextView => turn(app, 1),
        Action::PreviousView => turn(app, app.views.len().saturating_sub(1)),
        Action::Up => step(app, -1),
        Action::Down => step(app, 1),
        Action::PageUp => step(app, -page(app)),
        Action::PageDown => step(app, page(app)),
        Action::First => step(app, isize::MIN),
        Action::Last => step(app, isize::MAX),
        Action::Targets => {
            app.overlay = Some(Overlay::Targets(Offer::default()));
            return Some(Cmd::Offer);
        }
        Action::NextTarget => return Some(Cmd::Turn { forth: true }),
        Action::PreviousTarget => return Some(Cmd::Turn { forth: false }),
        Action::CloseTarget if app.overlay.is_none() => return Some(Cmd::Close),
        Action::CloseTarget => {}
        Action::Open => match &app.overlay {
            Some(Overlay::Targets(offer)) => {
                let spec = offer.chosen().map(|it| it.spec.clone());
                return spec.and_then(|spec| say(app, Said::Look(spec)));
            }
            Some(Overlay::Columns(_)) => choose_columns(app, Chooser::turn),
            _ => open(app),
        },
        Action::Columns => {
            app.overlay = match (&app.overlay, app.table()) {
                (None, Some(table)) if table.by.is_none() => {
                    let all = table.table.columns;
                    Some(Overlay::Columns(Chooser::of(&table.shown(), all)))
                }
                (Some(Overlay::Columns(_)), _) => None,
                _ => return None,
            };
        }
        Action::Left | Action::Right if is_latency(app) && !app.latency.is_over_time => {
            choose_bar(app, action == Action::Right);
        }
        Action::Left | Action::Right if matches!(app.overlay, Some(Overlay::Columns(_))) => {
            choose_columns(app, |chooser| chooser.shift(action == Action::Right));
        }
        Action::Left => neighbour(app, -1),
        Action::Right => neighbour(app, 1),
        Action::SortNext | Action::SortInvert
            if app.table().is_some_and(|table| table.by.is_some()) =>
        {
            app.notice = Some(Ok("groups are in the order of their size".into()));
        }
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
        Action::Group if app.overlay.is_none() => group_next(app),
        Action::Sleeps if app.overlay.is_none() => {
            app.hides_sleeps = !app.hides_sleeps;
            refresh(app);
        }
        Action::Aggregate if app.overlay.is_none() && app.wants(Wants::Events) => {
            app.events.are_counted = !app.events.are_counted;
            step(app, isize::MIN);
        }
        Action::Interval if is_latency(app) => {
            app.latency.turn_interval();
            refresh(app);
        }
        Action::OverTime if is_latency(app) => {
            app.latency.is_over_time = !app.latency.is_over_time;
        }
        Action::Poller if is_latency(app) => {
            let pollers: Vec<String> = app.pollers().into_iter().map(str::to_owned).collect();
            app.latency.turn_poller(&pollers);
            refresh(app);
        }
        Action::Interval
        | Action::OverTime
        | Action::Poller
        | Action::SortNext
        | Action::SortInvert
        | Action::Filter
        | Action::Aggregate
        | Action::Group
        | Action::Sleeps => {}
    }
    None
}

/// Whether latencies are shown, and nothing lies over them.
fn is_latency(app: &App) -> bool {
    app.overlay.is_none() && app.wants(Wants::Latencies)
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

fn edit_command(app: &mut App, key: KeyEvent) -> Option<Cmd> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let mut prompt = app.command.take()?;
    prompt.error = None;
    match key.code {
        KeyCode::Char('c') if control => return Some(Cmd::Quit),
        KeyCode::Char('z') if control => {
            app.command = Some(prompt);
            return Some(Cmd::Suspend);
        }
        KeyCode::Char('u') if control => prompt.text.clear(),
        KeyCode::Char(letter) if !control => prompt.text.push(letter),
        // There is nothing left to take away.
        KeyCode::Backspace if prompt.text.pop().is_none() => return None,
        KeyCode::Tab => prompt.text = command::complete(app, &prompt.text),
        KeyCode::Esc => return None,
        KeyCode::Enter => match command::read(app, &prompt.text) {
            Ok(said) => return say(app, said),
            Err(error) => prompt.error = Some(error),
        },
        _ => {}
    }
    app.command = Some(prompt);
    None
}

/// Does what was said.
fn say(app: &mut App, said: Said) -> Option<Cmd> {
    match said {
        Said::Nothing => {}
        Said::View(view) => show(app, view),
        Said::Open(which) => app.notice = find(app, &which).err().map(Err),
        Said::Sort(by) => set_sort(app, by),
        Said::Columns(names) => set_columns(app, &names),
        Said::Where(text) => {
            app.filter.text = text;
            apply_filter(app);
            // What is wrong with it is shown where it can be mended.
            app.filter.editing = app.filter.error.is_some();
        }
        Said::Look(spec) => {
            app.overlay = None;
            app.notice = Some(Ok("connecting".into()));
            return Some(Cmd::Look(spec));
        }
        Said::Close => return Some(Cmd::Close),
        Said::Help => app.overlay = Some(Overlay::Help(0)),
        Said::Quit => return Some(Cmd::Quit),
        Said::Copy => match saved::row(app) {
            Some(row) => return Some(Cmd::Copy(row)),
            None => app.notice = Some(Err("there is no row to copy".into())),
        },
        Said::Save(path) => match saved::table(app) {
            Ok(bytes) => {
                let path = path.unwrap_or_else(|| saved::name(app));
                return Some(Cmd::Save { path, bytes });
            }
            Err(why) => app.notice = Some(Err(why)),
        },
    }
    None
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
