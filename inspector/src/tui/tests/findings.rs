//! What the doctor says, on the screen.

use super::*;

fn open(rows: u32, size: (u16, u16)) -> App {
    let mut app = app(rows, size);
    press(&mut app, KeyCode::Char('6'));
    app
}

#[test]
fn how_much_is_wrong_stands_at_the_top_whatever_the_view_and_the_size() {
    for (size, words) in [((120, 30), "3 FINDINGS"), ((60, 15), "3 findings")] {
        for view in view::VIEWS {
            let mut app = app(40, size);
            press(&mut app, KeyCode::Char(view.key));
            let shown = picture(&app, size);
            let top: Vec<_> = shown.lines().take(2).collect();
            assert!(top.join("\n").contains(words), "{}: {shown}", view.title);
        }
    }
    let sound = app(1, (120, 30));
    assert!(!picture(&sound, sound.size).contains("FINDING"));
}

#[test]
fn a_row_of_which_something_was_found_is_marked() {
    let app = app(10, (120, 30));
    let shown = picture(&app, app.size);
    let marked = |id: &str| {
        let mut lines = shown.lines();
        let line = lines.find(|line| line.contains(&format!("global/{id} ")));
        line.unwrap_or_else(|| panic!("{id}: {shown}"))
            .starts_with('!')
    };
    assert!(marked("4.5") && marked("6.7"), "{shown}");
    assert!(!marked("5.6"), "{shown}");
}

#[test]
fn a_finding_is_told_in_full_and_leads_to_its_descriptor() {
    let mut app = open(40, (120, 30));
    let shown = picture(&app, app.size);
    // The gravest first.
    let of = |lint: &str| {
        shown
            .lines()
            .position(|line| line.starts_with(&format!(" {lint}")))
    };
    assert!(of("stuck-waiter") < of("slow-dispatch"), "{shown}");
    for words in [
        "looked 2.0s ago",
        "who waits",
        "evidence",
        "poll(2): IN",
        "advice",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    press(&mut app, KeyCode::Enter);
    let shown = picture(&app, app.size);
    assert!(shown.contains("descriptor global/4.5"), "{shown}");
    press(&mut app, KeyCode::Esc);
    // This one is about the poller.
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.overlay, None);
    press(&mut app, KeyCode::Down);
    press(&mut app, KeyCode::Enter);
    assert!(picture(&app, app.size).contains("descriptor global/6.7"));
}

#[test]
fn the_chosen_finding_stays_chosen_while_others_come_and_go() {
    let mut app = open(40, (120, 30));
    press(&mut app, KeyCode::Down);
    let chosen = app.chosen();
    assert!(chosen.is_some());
    // The first one goes.
    let mut fewer = feed(40, 4);
    Arc::make_mut(&mut fewer.checkup).cases.remove(0);
    update(&mut app, Msg::Feed(Box::new(fewer)));
    assert_eq!((app.step(), app.chosen()), (0, chosen.clone()));
    update(&mut app, Msg::Feed(Box::new(feed(40, 5))));
    assert_eq!((app.step(), app.chosen()), (1, chosen));
}

#[test]
fn where_nothing_is_wrong_it_is_said_what_was_not_looked_for() {
    let app = open(1, (120, 30));
    let shown = picture(&app, app.size);
    for words in [
        "no findings; looked",
        "14 lints were run",
        "not run",
        "--kernel",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let mut never = open(1, (120, 30));
    never.feed.checkup = Arc::default();
    assert!(picture(&never, never.size).contains("has not looked yet"));
    Arc::make_mut(&mut never.feed.checkup).trouble = "it is too old to be asked".into();
    assert!(picture(&never, never.size).contains("it is too old to be asked"));
}
