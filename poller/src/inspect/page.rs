//! One page of the table: what is wanted of it, in the order that is wanted.
//!
//! In the order of the table a page begins at a slot. In any other order it begins after a row, by what that row sorted
//! by; so descriptors that come and go between two pages are seen or not, but none that stays as it is is left out or seen
//! twice.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt;

use netpoller_proto::Part;
use netpoller_proto::filter::{Field, Key, Predicate};
use netpoller_proto::v1::{self, Descriptor, ListDescriptorsRequest, ListDescriptorsResponse};
use prost::Message;
use tonic::Status;

use super::encode;
use super::find::pollers;
use super::service::MAX_MESSAGE;
use crate::desc::PollDesc;
use crate::poller::Poller;
use crate::view::{self, RawRow, Reader};

/// Rows of a page.
const MAX_ROWS: usize = 1000;
/// Bytes of the rows in a page; the rest of the message is for what surrounds them.
const MAX_BYTES: usize = MAX_MESSAGE - 4096;

pub(super) fn page(
    request: &ListDescriptorsRequest,
    redact: bool,
) -> Result<ListDescriptorsResponse, Status> {
    let selection = Selection {
        waiting_only: request.waiting_only,
        filter: Filter::new(predicate(request.filter.as_ref())?),
        redact,
        captured_at_ns: view::now_ns(),
    };
    let limit = match request.page_size as usize {
        0 => MAX_ROWS,
        size => size.min(MAX_ROWS),
    };
    let pollers = pollers(&request.poller)?;
    let (descriptors, next_page_token) = match request.sort_by.as_str() {
        "" => {
            let first = parse_slot(&request.page_token)?;
            let (rows, next) = in_order_of_the_table(&pollers, &selection, first, limit);
            (rows, next.map(|(poller, slot)| format!("{poller}:{slot}")))
        }
        name => {
            let field = Field::named(name).ok_or_else(|| no_such_field(name))?;
            let order = Order {
                field,
                descending: request.descending,
            };
            let after = order.parse(&request.page_token)?;
            let (rows, last) = in_another_order(&pollers, &selection, order, after.as_ref(), limit);
            (rows, last.map(|place| order.token(&place)))
        }
    };
    Ok(ListDescriptorsResponse {
        captured_at_ns: selection.captured_at_ns,
        descriptors,
        next_page_token: next_page_token.unwrap_or_default(),
        epoch: view::started_at_ns(),
    })
}

/// The filter of a request, `None` if it has none.
pub(super) fn predicate(filter: Option<&v1::Filter>) -> Result<Option<Predicate>, Status> {
    filter
        .map(Predicate::try_from)
        .transpose()
        .map_err(|error| Status::invalid_argument(format!("filter: {error}")))
}

fn no_such_field(name: &str) -> Status {
    let known: Vec<&str> = Field::NAMES.iter().map(|(name, _)| *name).collect();
    Status::invalid_argument(format!(
        "sort_by: no field is called {name:?}; known are {}",
        known.join(", ")
    ))
}

/// A filter, and what of it can be tested before texts are looked up and the kernel is asked for addresses.
pub(super) struct Filter {
    cheap: Option<Predicate>,
    whole: Option<Predicate>,
}

impl Filter {
    pub(super) fn new(whole: Option<Predicate>) -> Self {
        let cheap = whole
            .as_ref()
            .map(|whole| whole.weakened(Field::is_cheap))
            .filter(|cheap| !cheap.is_trivial());
        Self { cheap, whole }
    }

    /// Whether rows may begin or cease to be wanted while nothing happens to them.
    pub(super) fn depends_on_time(&self) -> bool {
        self.whole.as_ref().is_some_and(Predicate::depends_on_time)
    }

    /// The row as a message, if it is wanted.
    pub(super) fn row(
        &self,
        reader: &mut Reader,
        (poller, desc, raw): (&Poller, &PollDesc, &RawRow),
        redact: bool,
        captured_at_ns: u64,
    ) -> Option<Descriptor> {
        if let Some(cheap) = &self.cheap
            && !cheap.holds(Part::whole(&encode::outline(raw)), captured_at_ns)
        {
            return None;
        }
        // The filter sees what the client will see: nobody finds out an address that is hidden from him by asking for it.
        let row = encode::descriptor(poller.name(), reader.row(poller, desc, raw), redact);
        match &self.whole {
            Some(whole) if !whole.holds(Part::whole(&row), captured_at_ns) => None,
            _ => Some(row),
        }
    }
}

/// Which rows are wanted.
struct Selection {
    waiting_only: bool,
    filter: Filter,
    redact: bool,
    captured_at_ns: u64,
}

impl Selection {
    fn row(&self, reader: &mut Reader, poller: &Poller, desc: &PollDesc) -> Option<Descriptor> {
        let raw = RawRow::read(desc)?;
        if self.waiting_only && !raw.is_waiting() {
            return None;
        }
        self.filter.row(
            reader,
            (poller, desc, &raw),
            self.redact,
            self.captured_at_ns,
        )
    }
}

/// The bytes that a row takes in a page, with the tag and the length that it has there.
fn size(row: &Descriptor) -> usize {
    row.encoded_len() + 8
}

/// Rows from a slot of a poller on, and where the next page begins.
fn in_order_of_the_table(
    pollers: &[Poller],
    selection: &Selection,
    (first_poller, first_slot): (u32, u32),
    limit: usize,
) -> (Vec<Descriptor>, Option<(u32, u32)>) {
    let mut reader = Reader::default();
    let mut rows = Vec::new();
    let mut bytes = 0;
    for poller in pollers
        .iter()
        .filter(|poller| poller.shared.id >= first_poller)
    {
        let id = poller.shared.id;
        let from = if id == first_poller { first_slot } else { 0 };
        for desc in poller.shared.cache.iter_from(from) {
            let Some(row) = selection.row(&mut reader, poller, desc) else {
                continue;
            };
            bytes += size(&row);
            if rows.len() == limit || bytes > MAX_BYTES {
                return (rows, Some((id, row.slot)));
            }
            rows.push(row);
        }
    }
    (rows, None)
}

/// The rows that come first after a place in this order, and the place of the last of them if there are more.
fn in_another_order(
    pollers: &[Poller],
    selection: &Selection,
    order: Order,
    after: Option<&Place>,
    limit: usize,
) -> (Vec<Descriptor>, Option<Place>) {
    let mut reader = Reader::default();
    // Of those seen so far; the last one on top, to give way to one that comes before it.
    let mut first: BinaryHeap<Placed> = BinaryHeap::with_capacity(limit + 1);
    let mut more = false;
    for poller in pollers {
        for desc in poller.shared.cache.iter_from(0) {
            let Some(row) = selection.row(&mut reader, poller, desc) else {
                continue;
            };
            let place = Place {
                key: Key::of(order.field, Part::whole(&row)),
                descending: order.descending,
                poller: poller.shared.id,
                slot: row.slot,
                generation: row.generation,
            };
            if after.is_some_and(|after| place <= *after) {
                continue;
            }
            if first.len() == limit {
                more = true;
                if first.peek().is_some_and(|last| place > last.place) {
                    continue;
                }
                first.pop();
            }
            first.push(Placed { place, row });
        }
    }
    let mut rows: Vec<Descriptor> = Vec::new();
    let mut last = None;
    let mut bytes = 0;
    for Placed { place, row } in first.into_sorted_vec() {
        bytes += size(&row);
        if bytes > MAX_BYTES && !rows.is_empty() {
            more = true;
            break;
        }
        rows.push(row);
        last = Some(place);
    }
    (rows, last.filter(|_| more))
}

/// An order of rows.
#[derive(Clone, Copy)]
struct Order {
    field: Field,
    descending: bool,
}

/// Where a row stands in an order. Rows with equal keys stand in the order of the table.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Place {
    key: Key,
    descending: bool,
    poller: u32,
    slot: u32,
    generation: u32,
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

/// A row at its place.
struct Placed {
    place: Place,
    row: Descriptor,
}

impl Ord for Placed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place.cmp(&other.place)
    }
}

impl PartialOrd for Placed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Placed {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Placed {}

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
    fn token(self, place: &Place) -> String {
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
    fn parse(self, token: &str) -> Result<Option<Place>, Status> {
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
fn parse_slot(token: &str) -> Result<(u32, u32), Status> {
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
