//! When something was found.

use std::collections::HashSet;

use netpoller_proto::v1::Finding;
use netpoller_proto::v1::entry::Told;

use super::block::Content;
use super::past::Past;

/// What makes a finding the one that it was a look before: its lint, its poller and its descriptor.
type Key = (String, String, String);

fn key(finding: &Finding) -> Key {
    let id = finding.descriptor.as_ref().map(|row| row.id().to_string());
    (
        finding.lint.clone(),
        finding.poller.clone(),
        id.unwrap_or_default(),
    )
}

/// The moments of the looks that found something which the look before had not, the earliest first.
pub(super) fn moments(past: &Past) -> Vec<u64> {
    let mut moments = Vec::new();
    let mut before = HashSet::new();
    let mut last_ns = None;
    let blocks = past.blocks(0).iter();
    for block in blocks.filter(|block| block.of != Content::Events) {
        for told in past.entries(block).unwrap_or_default() {
            let Told::Diagnosis(diagnosis) = told else {
                continue;
            };
            let at_ns = diagnosis.captured_at_ns;
            // A block that begins with all that was known has the last look once more.
            if last_ns.replace(at_ns) == Some(at_ns) {
                continue;
            }
            let now: HashSet<Key> = diagnosis.findings.iter().map(key).collect();
            if !now.is_subset(&before) {
                moments.push(at_ns.clamp(past.begins_at_ns, past.ends_at_ns));
            }
            before = now;
        }
    }
    moments.dedup();
    moments
}
