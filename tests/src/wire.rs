//! Bytes from the network: every message that a server or an inspector decodes, and what each
//! computes from it.

use netpoller_proto::filter::{Field, Key, Predicate};
use netpoller_proto::vocabulary::DescId;
use netpoller_proto::{Direction, Part, v1};
use prost::Message;

/// Decodes `bytes`, of which the first says what message the others are, and uses what comes out.
///
/// # Panics
///
/// If a message differs after it was sent on, or what is computed from it contradicts itself.
pub fn run(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else {
        return;
    };
    match kind % 12 {
        0 => filter(bytes),
        1 => rows(bytes),
        2 => same::<v1::WatchRequest>(bytes),
        3 => same::<v1::WatchFrame>(bytes),
        4 => same::<v1::ListDescriptorsRequest>(bytes),
        5 => same::<v1::GetDescriptorResponse>(bytes),
        6 => same::<v1::GetStatsResponse>(bytes),
        7 => same::<v1::WatchTransitionsRequest>(bytes),
        8 => same::<v1::TransitionsFrame>(bytes),
        9 => same::<v1::AuditResponse>(bytes),
        10 => same::<v1::DiagnoseResponse>(bytes),
        _ => {
            same::<v1::EvictRequest>(bytes);
            same::<v1::ListSitesResponse>(bytes);
        }
    }
}

/// What can be decoded is the same after it was sent on.
fn same<M: Message + Default + PartialEq>(bytes: &[u8]) {
    if let Ok(message) = M::decode(bytes) {
        let sent = message.encode_to_vec();
        assert_eq!(sent.len(), message.encoded_len());
        let again = M::decode(&*sent).expect("what was encoded can be decoded");
        // A NaN differs from itself; the bytes do not.
        assert_eq!(again.encode_to_vec(), sent);
    }
}

/// A filter that is understood can be evaluated, demands no more when it is weakened, and survives
/// being written down.
fn filter(bytes: &[u8]) {
    let (filter, row) = bytes.split_at(bytes.len() / 2);
    let (Ok(filter), Ok(row)) = (v1::Filter::decode(filter), v1::Descriptor::decode(row)) else {
        return;
    };
    let predicate = match Predicate::try_from(&filter) {
        Ok(predicate) => predicate,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let written = v1::Filter::from(&predicate);
    let again = Predicate::try_from(&written).expect("what was written down can be read");
    for part in parts(&row) {
        for now in [0, 1, row.opened_at_ns, u64::MAX] {
            let holds = predicate.holds(part, now);
            assert_eq!(again.holds(part, now), holds);
            if holds {
                assert!(
                    predicate
                        .weakened(|field| !field.is_of_time())
                        .holds(part, now)
                );
            }
        }
    }
}

/// Everything that is computed of a row for a table.
fn rows(bytes: &[u8]) {
    let Ok(row) = v1::Descriptor::decode(bytes) else {
        return;
    };
    // A target may say anything, generation 0 too.
    assert_eq!(DescId::from_bits(row.id().to_bits()), row.id());
    assert!(!row.key().is_empty());
    for part in parts(&row) {
        for field in Field::ALL.iter().copied() {
            assert_eq!(Field::named(field.name()), Some(field));
            let key = Key::of(field, part);
            assert!(key.compare(&key, false).is_eq() && key.compare(&key, true).is_eq());
        }
        let _ = (
            part.since_ns(),
            part.deadline_ns(),
            part.expired(),
            part.edges(),
        );
        let _ = (part.waiter(), part.location(), part.flags());
    }
}

fn parts(row: &v1::Descriptor) -> impl Iterator<Item = Part<'_>> {
    [None, Some(Direction::Read), Some(Direction::Write)]
        .into_iter()
        .map(move |direction| Part { row, direction })
}
