//! Lists over a view: the columns of a table, and the processes to look at; and rows in groups.

use super::*;
use crate::source::{Target, TargetSpec};
use crate::tui::tabs::Label;
use crate::tui::targets::{Choice, Names, Offer};
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
    assert!(app.filter.query.is_some(), "{:?}", app.filter);
    press(&mut app, KeyCode::Esc);
    assert_eq!(
        table(&app).group().map(|it| it.1.key.clone()).as_deref(),
        Some(table(&app).groups[0].key.as_str())
    );
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
fn a_group_is_one_of_the_filtered_rows_and_esc_gives_the_filter_back() {
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
    assert!(
        app.filter.text.starts_with("(since>10s) and where="),
        "{:?}",
        app.filter
    );
    press(&mut app, KeyCode::Esc);
    assert_eq!(app.filter.text, "since>10s");
    assert_eq!(table(&app).rows.len(), old);
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
    press(&mut app, KeyCode::Esc);
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
        is_shown,
    };
    app.tabs = vec![
        label("shop 7", 0, false),
        label("echo-server 4242", 3, true),
        label("gateway 8", 2, false),
    ];
    let top = |app: &App| picture(app, app.size).lines().next().map(str::to_owned);
    let shown = top(&app).expect("a line");
    for words in ["shop 7", "echo-server 4242 !3", "gateway 8 !2", "live"] {
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
