//! By which column rows are sorted.

use std::str::FromStr;

/// A column and a direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SortSpec {
    pub(crate) column: String,
    pub(crate) descending: bool,
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

#[cfg(test)]
mod tests {
    use super::*;

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
