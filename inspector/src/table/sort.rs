//! By which column rows are sorted, and how.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use netpoller_proto::filter::Key;

use super::column::{Column, find};
use crate::failure::Failure;

/// A column and a direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortSpec {
    pub(crate) column: String,
    pub(crate) descending: bool,
}

impl fmt::Display for SortSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = if self.descending { ":desc" } else { "" };
        write!(f, "{}{order}", self.column)
    }
}

impl FromStr for SortSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (column, descending) = match text.split_once(':') {
            None => (text, false),
            Some((column, "asc")) => (column, false),
            Some((column, "desc")) => (column, true),
            Some((_, other)) => {
                return Err(format!("`{other}` is no order; write `asc` or `desc`"));
            }
        };
        if column.is_empty() {
            return Err("the name of the column is missing".into());
        }
        Ok(Self {
            column: column.to_lowercase(),
            descending,
        })
    }
}

/// Sorts rows by a column. Rows with equal keys keep their order; rows without one come last either
/// way.
pub(crate) fn sort<R>(
    columns: &'static [Column<R>],
    rows: &mut [R],
    by: &SortSpec,
) -> Result<(), Failure> {
    let column = find(columns, &by.column)?;
    rows.sort_by_cached_key(|row| Directed {
        key: column.key(row),
        descending: by.descending,
    });
    Ok(())
}

#[derive(PartialEq, Eq)]
struct Directed {
    key: Key,
    descending: bool,
}

impl Ord for Directed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.compare(&other.key, self.descending)
    }
}

impl PartialOrd for Directed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NUMBERS: [Column<Option<i32>>; 1] = [Column::numbers("number", "N", 1, |row| {
        row.map_or(Key::Absent, |n| Key::Number(n.into()))
    })];

    fn sorted(descending: bool) -> Vec<Option<i32>> {
        let mut rows = [None, Some(10), Some(9), Some(-1)];
        let by = SortSpec {
            column: "number".into(),
            descending,
        };
        sort(&NUMBERS, &mut rows, &by).expect("a known column");
        rows.to_vec()
    }

    #[test]
    fn numbers_sort_by_value_and_what_is_absent_comes_last_either_way() {
        assert_eq!(sorted(false), [Some(-1), Some(9), Some(10), None]);
        assert_eq!(sorted(true), [Some(10), Some(9), Some(-1), None]);
    }

    #[test]
    fn a_sort_names_a_column_and_perhaps_an_order() {
        assert_eq!(
            "Since:desc".parse(),
            Ok(SortSpec {
                column: "since".into(),
                descending: true
            })
        );
        assert_eq!(
            "fd".parse(),
            Ok(SortSpec {
                column: "fd".into(),
                descending: false
            })
        );
        assert!("fd:down".parse::<SortSpec>().is_err());
        assert!(":desc".parse::<SortSpec>().is_err());
    }
}
