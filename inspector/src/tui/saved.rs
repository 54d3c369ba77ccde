//! What is taken out of the UI: a row for the clipboard, a table for a file.

use super::app::App;
use crate::out;
use crate::table::{Column, Entry};

/// The row under the cursor, cell by cell.
pub(crate) fn row(app: &App) -> Option<String> {
    let table = app.table()?;
    if let Some((by, group)) = table.group() {
        let context = app.context();
        let cells = by.columns().iter();
        let cells = cells.map(|column| column.cell(group, &context).text);
        return Some(cells.collect::<Vec<_>>().join("\t"));
    }
    let entry = table.current()?;
    let context = app.context();
    let cells = table
        .columns()
        .map(|column| column.cell(entry, &context).text);
    Some(cells.collect::<Vec<_>>().join("\t"))
}

/// The open table as CSV, all of its rows.
pub(crate) fn table(app: &App) -> Result<Vec<u8>, String> {
    let table = app.table().ok_or("this view is no table")?;
    let columns: Vec<&'static Column<Entry>> = table.columns().collect();
    let mut csv = Vec::new();
    if let Some(by) = table.by {
        let columns: Vec<_> = by.columns().iter().collect();
        let written = out::csv(&mut csv, true, &columns, &table.groups, &app.context());
        return written.map(|()| csv).map_err(|it| it.to_string());
    }
    out::csv(&mut csv, true, &columns, &table.rows, &app.context()).map_err(|it| it.to_string())?;
    Ok(csv)
}

/// A name for a file of the open table, which another moment does not have.
pub(crate) fn name(app: &App) -> String {
    let view = app.view().map_or("", |view| view.title).to_lowercase();
    let pid = app.feed.server.as_ref().map_or(0, |server| server.pid);
    let now = app.context().anchor.rfc3339(app.feed.model.captured_at_ns);
    let now = now.unwrap_or_default();
    let digits = now.chars().take(19).filter(char::is_ascii_digit);
    format!("netpoller-{view}-{pid}-{}.csv", digits.collect::<String>())
}
