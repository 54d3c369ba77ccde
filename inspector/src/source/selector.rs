//! Naming one descriptor.

use std::str::FromStr;

use netpoller_proto::v1::filter::Node;
use netpoller_proto::v1::filter_value::Value;
use netpoller_proto::v1::{Comparison, Filter, FilterValue, Operator};
use netpoller_proto::vocabulary::DescId;

use super::endpoint::{Connection, Selection};
use crate::failure::Failure;

/// A descriptor as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selector {
    /// `42.7`, or `POLLER/42.7` where there are several pollers.
    Id {
        /// Its poller, if it was named.
        poller: Option<String>,
        /// Its id.
        id: DescId,
    },
    /// `fd:19`, or `fd 19`: whoever has this number now.
    Fd(i32),
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let forms = || {
            format!(
                "`{text}` names no descriptor; write its id as in `ls`, 42.7 or POLLER/42.7, or fd:19"
            )
        };
        if let Some(fd) = text
            .strip_prefix("fd:")
            .or_else(|| text.strip_prefix("fd "))
        {
            return fd.trim().parse().map(Self::Fd).map_err(|_| forms());
        }
        // The name of a poller may contain anything.
        let (poller, id) = match text.rsplit_once('/') {
            Some((poller, id)) => (Some(poller.to_owned()), id),
            None => (None, text),
        };
        let id = id.parse().map_err(|_| forms())?;
        Ok(Self::Id { poller, id })
    }
}

impl Selector {
    /// From the words of a command line, of which `fd 19` is two.
    pub(crate) fn of(words: &[String]) -> Result<Self, Failure> {
        words.join(" ").parse().map_err(Failure::Usage)
    }

    /// The same of several, one after another.
    pub(crate) fn several(words: &[String]) -> Result<Vec<Self>, Failure> {
        let mut rest = words;
        let mut selectors = Vec::new();
        while let Some(first) = rest.first() {
            let length = rest.len().min(1 + usize::from(first == "fd"));
            let (words, behind) = rest.split_at(length);
            selectors.push(Self::of(words)?);
            rest = behind;
        }
        Ok(selectors)
    }

    /// The name of its poller, and its id.
    pub(crate) async fn find(&self, connection: &Connection) -> Result<(String, DescId), Failure> {
        let (field, value) = match self {
            Self::Id {
                poller: Some(poller),
                id,
            } => return Ok((poller.clone(), *id)),
            Self::Id { poller: None, id } => {
                if let [only] = &connection.server.pollers[..] {
                    return Ok((only.name.clone(), *id));
                }
                ("id", Value::Text(id.to_string()))
            }
            Self::Fd(fd) => ("fd", Value::Number((*fd).into())),
        };
        let comparison = Comparison {
            field: field.into(),
            op: Operator::Eq.into(),
            values: vec![FilterValue { value: Some(value) }],
        };
        let selection = Selection {
            filter: Some(Filter {
                node: Some(Node::Comparison(comparison)),
            }),
            ..Selection::default()
        };
        let mut rows = connection.descriptors(&selection).await?.rows;
        // An older server does not know the filter.
        rows.retain(|row| match self {
            Self::Id { id, .. } => row.id() == *id,
            Self::Fd(fd) => row.fd == *fd,
        });
        match &rows[..] {
            [] => Err(Failure::NotFound(format!(
                "{} has no descriptor {self}: it is closed, or never was; `netpoller ls` lists those that are open",
                connection.target
            ))),
            [only] => Ok((only.poller.clone(), only.id())),
            several => {
                let keys: Vec<String> = several.iter().map(|row| row.key()).collect();
                Err(Failure::Usage(format!(
                    "{self} is one of several: write {}",
                    keys.join(" or ")
                )))
            }
        }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id {
                poller: Some(poller),
                id,
            } => write!(f, "{poller}/{id}"),
            Self::Id { poller: None, id } => id.fmt(f),
            Self::Fd(fd) => write!(f, "fd:{fd}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_named_by_its_id_or_its_number() {
        let id = |poller: Option<&str>| Selector::Id {
            poller: poller.map(Into::into),
            id: DescId {
                slot: 42,
                generation: 7,
            },
        };
        for (text, expected) in [
            ("42.7", id(None)),
            ("global/42.7", id(Some("global"))),
            ("a/b/42.7", id(Some("a/b"))),
            ("fd:19", Selector::Fd(19)),
            ("fd 19", Selector::Fd(19)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        let words = ["42.7", "fd", "19", "global/42.7", "fd:19"].map(str::to_owned);
        let several = Selector::several(&words).expect("four of them");
        let fd = Selector::Fd(19);
        assert_eq!(several, [id(None), fd.clone(), id(Some("global")), fd]);
        let cut = ["42.7", "fd"].map(str::to_owned);
        assert!(Selector::several(&cut).is_err());
        for text in ["", "42", "42.", "fd:x", "x/fd:1", "42.7.1", "+42.7"] {
            let said = text.parse::<Selector>().expect_err(text);
            assert!(said.contains("POLLER/42.7"), "{said}");
        }
    }
}
