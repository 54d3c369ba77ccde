//! Lists over a view: the columns of a table, and the processes to look at; and rows in groups.

use super::*;
use crate::source::{Target, TargetSpec};
use crate::tui::targets::{Choice, Label, Names, Offer};
use netpoller_proto::v1::Severity;

fn titles(app: &App) -> Vec<String> {
    let shown = picture(app, app.size);
    let mut lines = shown.lines();
    let titles = lines.find(|line| line.contains(" PEER ") && line.contains(" WR "));
    let titles = titles.unwrap_or_else(|| panic!("{shown}"));
    titles.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn columns_are_chosen_and_moved_while_the_table_is_seen() {
    let mut app = app(40, (160, 40));
    press(&mut app, KeyCode::Char('c'));
    let shown = picture(&app, app.size);
    assert!(
        shown.contains("[x] id") && shown.contains("[ ] "),
        "{shown}"
    );
    // The one under the cursor, away and back.
    press(&mut app, KeyCode::Enter);
    press(&mut app, KeyCode::Esc);
    assert_eq!(titles(&app)[0], "FD");
    press(&mut app, KeyCode::Char('c'));
    for _ in 0..100 {
        press(&mut app, KeyCode::Down);
    }
    let Some(Overlay::Columns(chooser)) = &app.overlay else {
        panic!("no columns");
    };
    let (last, is_shown) = chooser.all[chooser.cursor];
    assert!(!is_shown);
    press(&mut app, KeyCode::Char(' '));
    for _ in 0..100 {
        press(&mut app, KeyCode::Left);
    }
    assert_eq!(table(&app).columns[0].name, last);
    assert_eq!(app.overlay.take().map(|_| ()), Some(()));
    press(&mut app, KeyCode::Char('6'));
    press(&mut app, KeyCode::Char('c'));
    assert_eq!(app.overlay, None, "findings have no columns");
}

#[test]
fn rows_are_grouped_by_line_and_by_task_and_a_group_opens() {
    let mut app = app(120, (120, 30));
    press(&mut app, KeyCode::Char('2'));
    let all = table(&app).rows.len();
    press(&mut app, KeyCode::Char('b'));
    super::pictures::assert_picture("waiters-grouped", &app);
    let shown = picture(&app, app.size);
    assert!(
        shown.contains("ROWS") && shown.contains("LOCATION"),
        "{shown}"
    );
    let group = table(&app).groups[1].clone();
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Enter);
    assert_eq!(table(&app).rows.len() as u64, group.rows);
    let shown = picture(&app, app.size);
    let footer = shown.lines().last().unwrap_or_default();
    assert!(
        footer.contains(&format!("location: {}", group.key)),
        "{shown}"
    );
    press(&mut app, KeyCode::Esc);
    let here = table(&app).group().map(|it| it.1.key.clone());
    assert_eq!(here, Some(group.key), "the cursor is on the group again");
    assert_eq!(
        (table(&app).rows.len(), app.filter.text.as_str()),
        (all, "")
    );
    press(&mut app, KeyCode::Char('b'));
    assert!(picture(&app, app.size).contains("TASK"));
    press(&mut app, KeyCode::Char('b'));
    assert_eq!((table(&app).by, table(&app).len()), (None, all));
}

#[test]
fn a_group_is_one_of_the_filtered_rows_and_the_filter_stays() {
    let mut app = app(120, (120, 30));
    press(&mut app, KeyCode::Char('2'));
    press(&mut app, KeyCode::Char('/'));
    type_text(&mut app, "since>10s");
    press(&mut app, KeyCode::Enter);
    let old = table(&app).rows.len();
    press(&mut app, KeyCode::Char('b'));
    let first = table(&app).groups[0].rows;
    press(&mut app, KeyCode::Enter);
    assert_eq!(table(&app).rows.len() as u64, first);
    press(&mut app, KeyCode::Esc);
    assert_eq!(app.filter.text, "since>10s");
    assert_eq!(table(&app).rows.len(), old);
}

/// Rows whose tasks are called so.
fn called(tasks: &[&str], size: (u16, u16)) -> App {
    let mut feed = feed(0, 1);
    let row = |(slot, task): (usize, &&str)| {
        let slot = u32::try_from(slot).expect("few");
        let mut row = fixture::row(104, fixture::NOW_NS);
        row.slot = slot;
        let waiter = row.read.as_mut().and_then(|side| side.waiter.as_mut());
        waiter.expect("one who waits").task = (*task).to_owned();
        row
    };
    feed.model.apply(WatchFrame {
        sequence: 1,
        captured_at_ns: fixture::NOW_NS,
        epoch: 1,
        keyframe: true,
        upserts: tasks.iter().enumerate().map(row).collect(),
        end: true,
        ..WatchFrame::default()
    });
    let mut app = new("pid:1".into(), MONO, size);
    update(&mut app, Msg::Feed(Box::new(feed)));
    press(&mut app, KeyCode::Char('2'));
    press(&mut app, KeyCode::Char('b'));
    press(&mut app, KeyCode::Char('b'));
    app
}

#[test]
fn a_group_has_as_many_rows_as_it_says_whatever_it_is_called() {
    let tasks = ["", "", "", "it's \"odd\"", "it's \"odd\"", "plain"];
    let mut app = called(&tasks, (120, 30));
    press(&mut app, KeyCode::Char('/'));
    type_text(&mut app, "src/");
    press(&mut app, KeyCode::Enter);
    for place in 0..3 {
        let group = table(&app).groups[place].clone();
        assert_eq!(group.rows as usize, 3 - place);
        press(&mut app, KeyCode::Enter);
        assert_eq!(table(&app).rows.len() as u64, group.rows, "{:?}", group.key);
        press(&mut app, KeyCode::Esc);
        press(&mut app, KeyCode::Down);
    }
    assert_eq!(app.filter.text, "src/");
    // What lies over them is what keys go to.
    press(&mut app, KeyCode::Char('?'));
    press(&mut app, KeyCode::Enter);
    assert!(table(&app).by.is_some());
}

#[test]
fn groups_are_scrolled_as_the_footer_says_and_clicked_where_they_stand() {
    let names: Vec<String> = (0..100).map(|it| format!("task-{it:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut app = called(&names, (120, 30));
    press(&mut app, KeyCode::End);
    for _ in 0..10 {
        press(&mut app, KeyCode::Up);
    }
    let shown = picture(&app, app.size);
    let offset = table(&app).offset;
    let first = &table(&app).groups[offset].key;
    assert!(
        shown.contains(&format!("{}-100 of 100", offset + 1)),
        "{shown}"
    );
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[4].contains(first), "{shown}");
    let wanted = table(&app).groups[offset + 3].key.clone();
    let click = crossterm::event::MouseEvent {
        kind: crossterm::event::MouseEventKind::Down(crossterm::event::MouseButton::Left),
        column: 5,
        row: 7,
        modifiers: KeyModifiers::NONE,
    };
    update(&mut app, Msg::Mouse(click));
    let here = table(&app).group().map(|it| it.1.key.clone());
    assert_eq!((here.as_ref(), table(&app).offset), (Some(&wanted), offset));
    let saved = press_control(&mut app, 's');
    let Some(Cmd::Save { bytes, .. }) = saved else {
        panic!("{saved:?}");
    };
    let csv = String::from_utf8(bytes).expect("text");
    assert!(
        csv.starts_with("rows,oldest") && csv.lines().count() == 101,
        "{csv}"
    );
    press(&mut app, KeyCode::Char('s'));
    assert!(picture(&app, app.size).contains("order of their size"));
}

fn press_control(app: &mut App, letter: char) -> Option<Cmd> {
    let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
    update(app, Msg::Key(key))
}

fn offer() -> Offer {
    let choice = |name: &str, pid: u32| Choice {
        name: name.into(),
        pid: Some(pid),
        state: ("ok".into(), crate::paint::Tone::Good),
        spec: TargetSpec::At(Target::Process(pid)),
    };
    Offer {
        choices: Some(vec![choice("shop", 7), choice("gateway", 8)]),
        hidden: None,
        cursor: 0,
    }
}

#[test]
fn a_process_is_chosen_from_a_list() {
    let mut app = app(40, (120, 30));
    assert_eq!(press(&mut app, KeyCode::Char('T')), Some(Cmd::Offer));
    assert!(picture(&app, app.size).contains("looking for processes"));
    assert_eq!(press(&mut app, KeyCode::Enter), None, "there is none yet");
    update(&mut app, Msg::Offer(offer()));
    let shown = picture(&app, app.size);
    assert!(
        shown.contains("gateway") && shown.contains("1 of 2;"),
        "{shown}"
    );
    press(&mut app, KeyCode::Down);
    let chosen = press(&mut app, KeyCode::Enter);
    let spec = TargetSpec::At(Target::Process(8));
    assert_eq!((chosen, &app.overlay), (Some(Cmd::Look(spec)), &None));
    // Who does not wait for it is not disturbed.
    update(&mut app, Msg::Offer(offer()));
    assert_eq!(app.overlay, None);
}

#[test]
fn without_a_process_there_is_a_list_and_nothing_is_said_of_one() {
    let mut app = new(String::new(), MONO, (120, 30));
    update(&mut app, Msg::Offer(Offer::default()));
    update(&mut app, Msg::Offer(offer()));
    let shown = picture(&app, app.size);
    assert!(
        shown.contains("no process is looked at") && shown.contains("shop"),
        "{shown}"
    );
    // Nothing but the key that opens it closes it so.
    press(&mut app, KeyCode::Char('c'));
    assert!(matches!(app.overlay, Some(Overlay::Targets(_))));
    press(&mut app, KeyCode::Esc);
    update(&mut app, Msg::Offer(offer()));
    assert_eq!(app.overlay, None, "it does not come back by itself");
    assert!(!picture(&app, app.size).contains("connecting"));
    for key in "12345678".chars() {
        press(&mut app, KeyCode::Char(key));
        draw(&app, app.size);
    }
}

#[test]
fn a_command_names_a_process() {
    let mut app = app(40, (120, 30));
    app.names = Names {
        aliases: [("shop".to_owned(), TargetSpec::Pid(7))].into(),
        ..Names::default()
    };
    let mut say = |text: &str| {
        press(&mut app, KeyCode::Char(':'));
        type_text(&mut app, text);
        press(&mut app, KeyCode::Tab);
        press(&mut app, KeyCode::Enter)
    };
    assert_eq!(say("target sh"), Some(Cmd::Look(TargetSpec::Pid(7))));
    assert_eq!(say("target pid:9"), Some(Cmd::Look(TargetSpec::Pid(9))));
    assert_eq!(say("close"), Some(Cmd::Close));
    assert_eq!(say("target"), None);
    let error = app.command.and_then(|it| it.error);
    assert!(error.is_some_and(|it| it.contains("target pid:4242")));
}

#[test]
fn several_processes_stand_at_the_top_with_what_was_found_in_each() {
    let mut app = app(40, (120, 30));
    let label = |name: &str, found: u64, is_shown: bool| Label {
        name: name.into(),
        found,
        severity: (found > 0).then_some(Severity::Error),
        is_lost: name.starts_with("gateway"),
        is_shown,
    };
    app.tabs = vec![
        label("shop 7", 0, false),
        label("echo-server 4242", 3, true),
        label("gateway 8", 2, false),
    ];
    let top = |app: &App| picture(app, app.size).lines().next().map(str::to_owned);
    let shown = top(&app).expect("a line");
    for words in ["shop 7", "echo-server 4242 !3", "gateway 8 LOST !2", "live"] {
        assert!(shown.contains(words), "{shown}");
    }
    app.size = (60, 15);
    let shown = top(&app).expect("a line");
    assert!(
        shown.contains("echo-server 4242") && shown.contains('+'),
        "{shown}"
    );
    for (key, forth) in [('>', true), ('<', false)] {
        let turned = press(&mut app, KeyCode::Char(key));
        assert_eq!(turned, Some(Cmd::Turn { forth }));
    }
    assert_eq!(press(&mut app, KeyCode::Char('X')), Some(Cmd::Close));
}
