//! The mouse, and what stands where it points.

use super::*;
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

fn mouse(app: &mut App, kind: MouseEventKind, column: usize, row: usize) {
    update(
        app,
        Msg::Mouse(MouseEvent {
            kind,
            column: u16::try_from(column).unwrap(),
            row: u16::try_from(row).unwrap(),
            modifiers: KeyModifiers::NONE,
        }),
    );
}

/// Clicks at the first place where this stands.
fn click(app: &mut App, words: &str) {
    let shown = picture(app, app.size);
    let mut lines = shown.lines().enumerate();
    let place = lines.find_map(|(row, line)| {
        let at = line.find(words)?;
        Some((line[..at].chars().count() + 1, row))
    });
    let (column, row) = place.unwrap_or_else(|| panic!("{words}: {shown}"));
    mouse(app, MouseEventKind::Down(MouseButton::Left), column, row);
}

#[test]
fn a_click_on_a_row_selects_it_and_another_one_opens_it() {
    let mut app = app(50, (120, 30));
    let third = table(&app).rows[2].row.key();
    click(&mut app, &third);
    assert_eq!(
        (table(&app).cursor, current_id(&app)),
        (2, third.rsplit('/').next().unwrap().to_owned())
    );
    assert_eq!(app.overlay, None);
    click(&mut app, &third);
    assert!(matches!(app.overlay, Some(Overlay::Detail(_))));
    // What lies over the rows is clicked, and not the rows.
    click(&mut app, "fd ");
    assert!(matches!(app.overlay, Some(Overlay::Detail(_))));
}

#[test]
fn a_click_on_a_title_sorts_by_it_and_another_one_the_other_way_round() {
    let mut app = app(50, (120, 30));
    click(&mut app, "EDGES");
    let sort = &table(&app).sort;
    assert_eq!((sort.column.as_str(), sort.descending), ("edges", true));
    click(&mut app, "EDGES");
    assert!(!table(&app).sort.descending);
    click(&mut app, "ID");
    let sort = &table(&app).sort;
    assert_eq!((sort.column.as_str(), sort.descending), ("id", false));
}

#[test]
fn a_click_on_a_tab_opens_its_view_however_narrow_it_is() {
    for size in [(120, 30), (80, 24), (60, 15), (40, 10)] {
        let mut app = app(10, size);
        let tabs = if size.1 < 16 { 1 } else { 2 };
        for (index, view) in view::VIEWS.iter().enumerate() {
            let shown = picture(&app, size);
            let line = shown.lines().nth(tabs).unwrap_or_default();
            let at = line.find(&format!(" {} ", view.key));
            let at = at
                .or(line.find(&format!(" {}", view.key)))
                .expect("its tab");
            let click = MouseEventKind::Down(MouseButton::Left);
            mouse(&mut app, click, at + 1, tabs);
            assert_eq!(app.open, index, "{} at {size:?}", view.title);
        }
    }
}

#[test]
fn the_wheel_scrolls_rows_and_what_lies_over_them() {
    let mut app = app(50, (120, 20));
    mouse(&mut app, MouseEventKind::ScrollDown, 5, 9);
    assert_eq!(table(&app).cursor, 3);
    mouse(&mut app, MouseEventKind::ScrollUp, 5, 9);
    assert_eq!(table(&app).cursor, 0);
    press(&mut app, KeyCode::Char('?'));
    mouse(&mut app, MouseEventKind::ScrollDown, 5, 9);
    assert_eq!(app.overlay, Some(Overlay::Help(3)));
}
