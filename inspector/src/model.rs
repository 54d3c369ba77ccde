//! The live table, folded from the frames of `Watch`.
//!
//! A group of frames becomes visible as a whole: nobody sees half of a keyframe. Rows are shared,
//! so that a copy of the model for the eyes costs a few pointers, however long the table is.

use std::collections::BTreeMap;
use std::sync::Arc;

use netpoller_proto::v1::{Descriptor, GetStatsResponse, WatchFrame};
use prost::Message;

use crate::timeline::Sample;

/// Identity of a row. Ordered by poller and slot, as the server lists them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowKey {
    poller: Arc<str>,
    slot: u32,
    generation: u32,
}

impl RowKey {
    /// The key of a row.
    pub(crate) fn of(row: &Descriptor) -> Self {
        Self {
            poller: row.poller.as_str().into(),
            slot: row.slot,
            generation: row.generation,
        }
    }

    /// From `poller/slot.generation`. The name of a poller may contain anything.
    fn parse(text: &str) -> Option<Self> {
        let (poller, id) = text.rsplit_once('/')?;
        let (slot, generation) = id.split_once('.')?;
        Some(Self {
            poller: poller.into(),
            slot: slot.parse().ok()?,
            generation: generation.parse().ok()?,
        })
    }
}

/// What is known of the process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    /// The life of the process that the rows belong to.
    pub(crate) epoch: u64,
    /// Number of the last group.
    pub(crate) sequence: u64,
    /// When the last group was read, on the clock of the process.
    pub(crate) captured_at_ns: u64,
    /// The table.
    pub(crate) rows: Arc<BTreeMap<RowKey, Arc<Descriptor>>>,
    /// The statistics of the last group that had any.
    pub(crate) stats: Option<Arc<GetStatsResponse>>,
    /// Those before, for rates.
    pub(crate) before: Option<Arc<GetStatsResponse>>,
    /// Groups that the server skipped because we were slow.
    pub(crate) lost: u64,
    /// Why the kernel's side of sockets is missing, or a part of it.
    pub(crate) sockets_error: String,
    /// Frames of a group that has not ended.
    pending: Vec<WatchFrame>,
    /// Memory of these.
    pending_weight: usize,
    /// Memory of `rows`.
    weight: usize,
    too_large: bool,
}

/// Memory that a table may take, and a group that has not ended: about fifty thousand rows. A table
/// that is replaced is there twice for a while.
const LARGEST: usize = 64 << 20;

/// The memory that a row takes, and somewhat more: the row, its texts, and what it costs to
/// allocate them.
pub(crate) fn weight(row: &Descriptor) -> usize {
    std::mem::size_of::<Descriptor>() + 200 + row.encoded_len()
}

fn weight_of(frame: &WatchFrame) -> usize {
    let rows = frame.upserts.iter().map(weight).sum::<usize>();
    let removes = frame
        .removes
        .iter()
        .map(|key| key.len() + 64)
        .sum::<usize>();
    // What is decoded takes some times what is encoded.
    let stats = frame
        .stats
        .as_ref()
        .map_or(0, |stats| 8 * stats.encoded_len());
    rows + removes + stats + 512
}

impl Model {
    /// Takes a frame. True if it completed a group, so that there is something new to see.
    pub(crate) fn apply(&mut self, frame: WatchFrame) -> bool {
        if frame.epoch != self.epoch {
            // Another process, or another life of it: what is known is void.
            *self = Self {
                epoch: frame.epoch,
                ..Self::default()
            };
        }
        // Another connection counts anew, so a group that was cut may have the number of this one.
        let group = |frame: &WatchFrame| (frame.sequence, frame.captured_at_ns);
        if self
            .pending
            .first()
            .is_some_and(|first| group(first) != group(&frame))
        {
            self.interrupt();
        }
        let end = frame.end;
        self.pending_weight += weight_of(&frame);
        if self.pending_weight > LARGEST {
            self.too_large = true;
            self.interrupt();
            return false;
        }
        self.pending.push(frame);
        if end {
            self.fold();
        }
        end
    }

    /// Whether the last frame was too much: there are more rows, or larger ones, than are kept.
    pub(crate) fn is_too_large(&self) -> bool {
        self.too_large
    }

    /// The stream broke: a group that is not complete will never be.
    pub(crate) fn interrupt(&mut self) {
        self.pending.clear();
        self.pending_weight = 0;
    }

    fn fold(&mut self) {
        let frames = std::mem::take(&mut self.pending);
        self.pending_weight = 0;
        self.too_large = false;
        let rows = Arc::make_mut(&mut self.rows);
        if frames.first().is_some_and(|frame| frame.keyframe) {
            rows.clear();
            self.weight = 0;
        }
        for frame in frames {
            // Removals first: a slot that was freed and taken again is in both lists.
            for key in &frame.removes {
                let gone = RowKey::parse(key).and_then(|key| rows.remove(&key));
                self.weight -= gone.map_or(0, |row| weight(&row));
            }
            for row in frame.upserts {
                self.weight += weight(&row);
                let before = rows.insert(RowKey::of(&row), Arc::new(row));
                self.weight -= before.map_or(0, |row| weight(&row));
            }
            self.sequence = frame.sequence;
            self.captured_at_ns = frame.captured_at_ns;
            // The same number is in every frame of the group; an older server tells it in the last
            // one only.
            if frame.end {
                self.lost = self.lost.saturating_add(frame.lost);
                self.sockets_error = frame.sockets_error;
            }
            if let Some(stats) = frame.stats {
                self.before = self.stats.replace(Arc::new(stats));
            }
        }
        if self.weight > LARGEST {
            self.too_large = true;
            self.weight = 0;
            *rows = BTreeMap::new();
        }
    }

    /// Seconds between the last two statistics.
    pub(crate) fn stats_seconds(&self) -> Option<f64> {
        let (now, before) = (self.stats.as_ref()?, self.before.as_ref()?);
        let ns = now
            .captured_at_ns
            .checked_sub(before.captured_at_ns)
            .filter(|ns| *ns > 0)?;
        #[allow(clippy::cast_precision_loss)]
        Some(ns as f64 / 1e9)
    }

    /// Edges a second between the last two statistics.
    pub(crate) fn edges_per_second(&self) -> Option<u64> {
        let (now, before) = (self.stats.as_ref()?, self.before.as_ref()?);
        Sample::of(now).rate(&Sample::of(before), |sample| sample.edges)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn frame(sequence: u64, upserts: &[u32]) -> WatchFrame {
        WatchFrame {
            sequence,
            captured_at_ns: fixture::NOW_NS + sequence,
            epoch: 1,
            keyframe: sequence == 0,
            upserts: upserts
                .iter()
                .map(|slot| fixture::row(*slot, fixture::NOW_NS))
                .collect(),
            end: true,
            ..WatchFrame::default()
        }
    }

    fn slots(model: &Model) -> Vec<u32> {
        let mut slots: Vec<u32> = model.rows.values().map(|row| row.slot).collect();
        slots.sort_unstable();
        slots
    }

    #[test]
    fn a_keyframe_in_pieces_is_seen_as_a_whole() {
        let mut model = Model::default();
        assert!(!model.apply(WatchFrame {
            end: false,
            ..frame(0, &[1, 2])
        }));
        assert!(slots(&model).is_empty());
        assert!(model.apply(frame(0, &[4])));
        assert_eq!(slots(&model), [1, 2, 4]);
    }

    #[test]
    fn a_delta_removes_and_replaces_rows() {
        let mut model = Model::default();
        model.apply(frame(0, &[1, 2]));
        let gone = fixture::row(2, fixture::NOW_NS).key();
        let mut taken_again = fixture::row(2, fixture::NOW_NS);
        taken_again.generation += 1;
        let mut delta = WatchFrame {
            removes: vec![gone, "nonsense".into()],
            ..frame(1, &[4])
        };
        delta.upserts.push(taken_again.clone());
        assert!(model.apply(delta));
        assert_eq!(slots(&model), [1, 2, 4]);
        assert!(model.rows.contains_key(&RowKey::of(&taken_again)));
        assert_eq!(model.captured_at_ns, fixture::NOW_NS + 1);
    }

    #[test]
    fn another_process_voids_everything() {
        let mut model = Model::default();
        model.apply(WatchFrame {
            stats: Some(fixture::stats(3, fixture::NOW_NS, 0)),
            ..frame(0, &[1, 2])
        });
        model.apply(WatchFrame {
            epoch: 2,
            ..frame(0, &[4])
        });
        assert_eq!(slots(&model), [4]);
        assert!(model.stats.is_none());
    }

    #[test]
    fn a_keyframe_after_a_reconnect_replaces_the_table() {
        let mut model = Model::default();
        model.apply(frame(0, &[1, 2]));
        model.apply(WatchFrame {
            end: false,
            ..frame(1, &[5])
        });
        model.interrupt();
        model.apply(frame(0, &[4]));
        assert_eq!(
            slots(&model),
            [4],
            "neither the old table nor the group that never ended"
        );
    }

    #[test]
    fn a_group_that_was_cut_is_no_part_of_the_next_one_of_the_same_number() {
        let mut model = Model::default();
        model.apply(WatchFrame {
            end: false,
            ..frame(0, &[5])
        });
        model.apply(WatchFrame {
            captured_at_ns: fixture::NOW_NS + 9,
            ..frame(0, &[4])
        });
        assert_eq!(slots(&model), [4]);
    }

    #[test]
    fn losses_add_up_and_a_group_in_pieces_counts_once() {
        let mut model = Model::default();
        model.apply(frame(0, &[]));
        model.apply(WatchFrame {
            lost: 2,
            end: false,
            ..frame(3, &[])
        });
        model.apply(WatchFrame {
            lost: 2,
            ..frame(3, &[])
        });
        model.apply(WatchFrame {
            lost: 1,
            ..frame(5, &[])
        });
        assert_eq!(model.lost, 3);
    }

    #[test]
    fn two_statistics_give_rates() {
        let mut model = Model::default();
        for tick in [3, 4] {
            let now_ns = fixture::NOW_NS + tick * 1_000_000_000;
            model.apply(WatchFrame {
                captured_at_ns: now_ns,
                stats: Some(fixture::stats(10, now_ns, tick)),
                ..frame(tick, &[])
            });
        }
        assert_eq!(model.stats_seconds(), Some(1.0));
        assert!(model.edges_per_second().is_some_and(|rate| rate > 0));
    }

    #[test]
    fn a_group_that_never_ends_and_a_table_without_end_are_given_up() {
        let slots: Vec<u32> = (0..1_000).collect();
        let mut model = Model::default();
        let endless = WatchFrame {
            end: false,
            ..frame(0, &slots)
        };
        let kept = (0..1_000).find(|_| {
            model.apply(endless.clone());
            model.is_too_large()
        });
        assert!(kept.is_some() && model.pending.is_empty());

        let mut model = Model::default();
        let kept = (0..1_000).find(|round| {
            let slots: Vec<u32> = (0..1_000).map(|slot| round * 1_000 + slot).collect();
            model.apply(frame(1, &slots));
            model.is_too_large()
        });
        assert!(kept.is_some_and(|rounds| rounds > 20), "{kept:?}");
        assert!(model.rows.is_empty());
        assert!(model.apply(frame(0, &[1])) && !model.is_too_large());
    }

    #[test]
    fn what_is_replaced_and_removed_weighs_nothing() {
        let mut model = Model::default();
        for sequence in 0..200 {
            model.apply(frame(sequence, &[1, 2, 4]));
        }
        let three = model.weight;
        let keys = model.rows.values().map(|row| row.key()).collect();
        model.apply(WatchFrame {
            removes: keys,
            ..frame(200, &[])
        });
        assert!(three > 0 && three < 7_000, "{three}");
        assert_eq!(model.weight, 0);
    }

    #[test]
    fn the_name_of_a_poller_may_contain_a_slash() {
        let key = RowKey::parse("a/b/1.2").expect("a key");
        assert_eq!((&*key.poller, key.slot, key.generation), ("a/b", 1, 2));
    }
}
