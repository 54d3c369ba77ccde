//! How a process went on, as far as a recording tells.

use std::collections::HashSet;
use std::sync::Arc;

use netpoller_proto::recording::Content;
use netpoller_proto::v1::Finding;
use netpoller_proto::v1::entry::Told;

use super::past::Past;
use crate::timeline::Timeline;

/// What makes a finding the one that it was a look before: its lint, its poller, its descriptor and
/// the direction.
type Key = (String, String, String, i32);

fn key(finding: &Finding) -> Key {
    let id = finding.descriptor.as_ref().map(|row| row.id().to_string());
    (
        finding.lint.clone(),
        finding.poller.clone(),
        id.unwrap_or_default(),
        finding.direction,
    )
}

/// Reads all of a recording for it. A block that begins with all that was known has the last
/// statistics and the last look once more.
pub(super) fn of(past: &Past) -> Timeline {
    let mut timeline = Timeline::default();
    let mut before = HashSet::new();
    let within = |at_ns: u64| at_ns.clamp(past.begins_at_ns, past.ends_at_ns);
    let blocks = past.blocks(0).iter();
    for block in blocks.filter(|block| block.head.of != Content::Events) {
        for told in past.entries(block).unwrap_or_default() {
            match told {
                Told::Frame(frame) => {
                    let stats = frame.stats.map(Arc::new);
                    stats.iter().for_each(|it| timeline.stats(it));
                }
                Told::Diagnosis(diagnosis) => {
                    let now: HashSet<Key> = diagnosis.findings.iter().map(key).collect();
                    let found = diagnosis.findings.len() as u64;
                    let found = found.saturating_add(diagnosis.more);
                    let is_new = !now.is_subset(&before);
                    timeline.look(within(diagnosis.captured_at_ns), found, is_new);
                    before = now;
                }
                _ => {}
            }
        }
    }
    timeline
}
