//! What is said after a colon, and what is taken out of the UI.

use super::*;

/// Says it.
fn say(app: &mut App, line: &str) -> Option<Cmd> {
    press(app, KeyCode::Char(':'));
    type_text(app, line);
    press(app, KeyCode::Enter)
}

/// Why it cannot be done.
fn refused(app: &mut App, line: &str) -> String {
    say(app, line);
    let prompt = app.command.as_ref();
    let error = prompt.and_then(|prompt| prompt.error.clone());
    let error = error.unwrap_or_else(|| panic!("{line} was done"));
    // It stays to be mended, with the reason beside it.
    assert!(picture(app, (200, 30)).contains(&error), "{error}");
    press(app, KeyCode::Esc);
    assert_eq!(app.command, None);
    error
}

#[test]
fn views_sorts_columns_filters_and_descriptors_can_be_said() {
    let mut app = app(50, (120, 30));
    say(&mut app, "waiters");
    assert_eq!(app.open, 1);
    say(&mut app, "sort fd");
    let sort = &table(&app).sort;
    assert_eq!((sort.column.as_str(), sort.descending), ("fd", false));
    say(&mut app, "sort since");
    // What is old comes first, and the column of waiters is called so.
    let sort = &table(&app).sort;
    assert_eq!((sort.column.as_str(), sort.descending), ("age", true));
    say(&mut app, "descriptors");
    say(&mut app, "columns id,task fd");
    let shown = picture(&app, app.size);
    let titles = shown.lines().nth(3).unwrap_or_default();
    let titles: Vec<&str> = titles.split_whitespace().collect();
    assert_eq!(titles, ["ID", "TASK", "FD"]);
    say(&mut app, "columns");
    assert!(picture(&app, app.size).contains("WHERE"));
    say(&mut app, "where kind=udp");
    assert!(!table(&app).rows.is_empty() && table(&app).rows.len() < 50);
    say(&mut app, "where");
    assert_eq!(table(&app).rows.len(), 50);
    say(&mut app, "fd 11");
    assert!(picture(&app, app.size).contains("descriptor global/4.5"));
    assert_eq!(current_id(&app), "4.5");
    press(&mut app, KeyCode::Esc);
    say(&mut app, "id shard-1/3.4");
    assert!(picture(&app, app.size).contains("descriptor shard-1/3.4"));
    press(&mut app, KeyCode::Esc);
    assert_eq!(say(&mut app, "quit"), Some(Cmd::Quit));
}

#[test]
fn what_cannot_be_done_says_why_and_stays_to_be_mended() {
    let mut app = app(20, (120, 30));
    for (line, words) in [
        ("waitres", "did you mean `waiters`?"),
        ("fd many", "the number of a descriptor"),
        ("sort sicne", "no column is called `sicne`"),
        ("columns id,tsak", "did you mean `task`?"),
    ] {
        let said = refused(&mut app, line);
        assert!(said.contains(words), "{line}: {said}");
    }
    say(&mut app, "fd 4711");
    assert!(picture(&app, app.size).contains("no row is called so"));
    // It is gone with the next key.
    press(&mut app, KeyCode::Down);
    assert!(!picture(&app, app.size).contains("no row is called so"));
    say(&mut app, "pollers");
    assert!(refused(&mut app, "sort fd").contains("not sorted"));
}

#[test]
fn tab_completes_words_columns_and_fields() {
    let mut app = app(5, (120, 30));
    for (typed, completed) in [
        ("wa", "waiters"),
        ("so", "sort "),
        ("sort dead", "sort deadline"),
        ("columns id,loc", "columns id,local"),
        ("where kin", "where kind"),
        ("nothing", "nothing"),
        // As far as it is certain.
        ("l", "l"),
    ] {
        press(&mut app, KeyCode::Char(':'));
        type_text(&mut app, typed);
        press(&mut app, KeyCode::Tab);
        let prompt = app.command.take().expect("it is open");
        assert_eq!(prompt.text, completed, "{typed}");
    }
}

#[test]
fn the_selected_row_is_copied_and_the_whole_table_saved() {
    let mut app = app(50, (120, 20));
    press(&mut app, KeyCode::Down);
    let id = table(&app).current().expect("a row").row.key();
    let Some(Cmd::Copy(row)) = press(&mut app, KeyCode::Char('y')) else {
        panic!("nothing was copied");
    };
    assert!(row.starts_with(&format!("{id}\t")), "{row}");
    let save = KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL);
    let Some(Cmd::Save { path, bytes }) = update(&mut app, Msg::Key(save)) else {
        panic!("nothing was saved");
    };
    assert!(
        path.starts_with("netpoller-descriptors-4242-2023") && path.ends_with(".csv"),
        "{path}"
    );
    let csv = String::from_utf8(bytes).expect("UTF-8");
    let mut lines = csv.lines();
    assert!(
        lines
            .next()
            .is_some_and(|line| line.starts_with("id,fd,kind,")),
        "{csv}"
    );
    assert_eq!(lines.count(), 50);
    update(&mut app, Msg::Done(Ok("saved as /there".into())));
    assert!(picture(&app, app.size).contains("saved as /there"));
    let named = say(&mut app, "save rows.csv");
    assert!(matches!(named, Some(Cmd::Save { path, .. }) if path == "rows.csv"));
    // Only a table can be.
    press(&mut app, KeyCode::Char('4'));
    assert_eq!(press(&mut app, KeyCode::Char('y')), None);
    assert!(picture(&app, app.size).contains("no row to copy"));
}
