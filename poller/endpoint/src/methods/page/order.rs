//! Orders of rows, places in them, and the tokens that name a place to a client.

use std::cmp::Ordering;
use std::fmt;

use netpoller_proto::filter::{Field, Key};
use tonic::Status;

/// An order of rows.
#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) field: Field,
    pub(super) descending: bool,
}

/// Where a row stands in an order. Rows with equal keys stand in the order of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) key: Key,
    pub(super) descending: bool,
    pub(super) poller: u32,
    pub(super) slot: u32,
    pub(super) generation: u32,
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let table = |place: &Self| (place.poller, place.slot, place.generation);
        self.key
            .compare(&other.key, self.descending)
            .then_with(|| table(self).cmp(&table(other)))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}",
            self.field.name(),
            if self.descending { "desc" } else { "asc" }
        )
    }
}

impl Order {
    /// The place as text: the order, the row, and the key last, for it may be any text.
    pub(super) fn token(self, place: &Place) -> String {
        let Place {
            poller,
            slot,
            generation,
            ..
        } = place;
        let key = match &place.key {
            Key::Number(number) => format!("n{number}"),
            Key::Text(text) => format!("t{text}"),
            Key::Absent => "-".to_owned(),
        };
        format!("{self}/{poller}.{slot}.{generation}/{key}")
    }

    /// The place that a token names, `None` for the beginning.
    pub(super) fn parse(self, token: &str) -> Result<Option<Place>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        let mut parts = token.splitn(3, '/');
        if parts.next() != Some(self.to_string().as_str()) {
            return Err(Status::invalid_argument(format!(
                "page_token: it belongs to another order than {self}, or to none; begin again without it"
            )));
        }
        let place = parts.next().zip(parts.next()).and_then(|(row, key)| {
            let mut row = row.splitn(3, '.').map(|number| number.parse().ok());
            let mut number = || row.next().flatten();
            let (poller, slot, generation) = (number()?, number()?, number()?);
            let key = match key.split_at_checked(1)? {
                ("n", number) => Key::Number(number.parse().ok()?),
                ("t", text) => Key::Text(text.to_owned()),
                ("-", "") => Key::Absent,
                _ => return None,
            };
            Some(Place {
                key,
                descending: self.descending,
                poller,
                slot,
                generation,
            })
        });
        place.map(Some).ok_or_else(malformed)
    }
}

/// Number of the poller and the slot with which a page begins.
pub(super) fn parse_slot(token: &str) -> Result<(u32, u32), Status> {
    if token.is_empty() {
        return Ok((0, 0));
    }
    token
        .split_once(':')
        .and_then(|(poller, slot)| Some((poller.parse().ok()?, slot.parse().ok()?)))
        .ok_or_else(malformed)
}

fn malformed() -> Status {
    Status::invalid_argument("page_token: give back what the page before has said, unchanged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_the_place_after_which_the_next_page_begins() {
        for key in [
            Key::Number(-12),
            Key::Number(i128::MIN),
            Key::Text("a/b.c:n1".into()),
            Key::Absent,
        ] {
            let order = Order {
                field: Field::Peer,
                descending: true,
            };
            let place = Place {
                key,
                descending: true,
                poller: 1,
                slot: 42,
                generation: 7,
            };
            assert_eq!(order.parse(&order.token(&place)).unwrap(), Some(place));
        }
    }

    #[test]
    fn a_token_that_was_changed_or_is_of_another_order_is_refused() {
        let order = Order {
            field: Field::Fd,
            descending: false,
        };
        for token in [
            "1:5",
            "fd:desc/1.2.3/n5",
            "fd:asc/1.2/n5",
            "fd:asc/1.2.3/x",
            "fd:asc/1.2.3/",
            "fd:asc",
        ] {
            let status = order.parse(token).unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument, "{token}");
            assert!(status.message().starts_with("page_token"), "{status}");
        }
    }
}
