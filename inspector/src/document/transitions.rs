//! Counts of transitions by name.

use netpoller_proto::v1;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Transitions by name, in the order of the design's table.
pub(super) struct Transitions(pub(super) v1::Transitions);

impl Serialize for Transitions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = self.0.named();
        let mut map = serializer.serialize_map(Some(named.len()))?;
        for (name, count) in named {
            map.serialize_entry(name, &count)?;
        }
        map.end()
    }
}
