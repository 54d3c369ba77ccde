//! Tracks, slices and instants as bytes.

use std::collections::HashMap;
use std::io::{self, Write};

use netpoller_proto::v1::GetServerResponse;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use super::message::{
    Clock, ClockSnapshot, DebugAnnotation, INCREMENTAL_STATE_CLEARED, Interned, InternedData,
    MONOTONIC, NEEDS_INCREMENTAL_STATE, Packet, PacketDefaults, REALTIME, TrackDescriptor,
    TrackEvent, Type,
};

/// All is told by one writer, which Perfetto calls a sequence.
const SEQUENCE: u32 = 1;

/// What is said of an event beside its name.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    Signed(i64),
    Flag(bool),
}

/// One of these, by its name.
pub(super) type Arg = (&'static str, Value);
pub(super) type Args = Vec<Arg>;

/// Something on a track.
#[derive(Debug, Default)]
pub(super) struct Mark {
    pub(super) name: &'static str,
    pub(super) category: &'static str,
    pub(super) args: Args,
    /// Arrows that begin here or pass through.
    pub(super) flows: Vec<u64>,
    /// Arrows that end here.
    pub(super) ends: Vec<u64>,
}

/// Numbers for names, which are said once.
#[derive(Debug, Default)]
struct Names(HashMap<&'static str, u64>);

impl Names {
    fn iid(&mut self, name: &'static str, fresh: &mut Vec<Interned>) -> u64 {
        let next = self.0.len() as u64 + 1;
        *self.0.entry(name).or_insert_with(|| {
            fresh.push(Interned {
                iid: Some(next),
                name: Some(name.to_owned()),
            });
            next
        })
    }
}

/// Writes a trace.
#[derive(Debug)]
pub(super) struct Writer<W> {
    out: W,
    names: Names,
    categories: Names,
    arguments: Names,
    packet: Vec<u8>,
    written: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a trace whose time is that of the process: CLOCK_MONOTONIC, tied to the calendar.
    pub(super) fn new(out: W, server: &GetServerResponse) -> io::Result<Self> {
        let mut writer = Self {
            out,
            names: Names::default(),
            categories: Names::default(),
            arguments: Names::default(),
            packet: Vec::new(),
            written: 0,
        };
        let clock = |clock_id, timestamp| Clock {
            clock_id: Some(clock_id),
            timestamp: Some(timestamp),
        };
        writer.write(Packet {
            sequence_flags: Some(INCREMENTAL_STATE_CLEARED),
            clock_snapshot: Some(ClockSnapshot {
                clocks: vec![
                    clock(MONOTONIC, signed(server.captured_at_ns)),
                    clock(REALTIME, signed(server.wall_clock_ns)),
                ],
                primary_trace_clock: Some(MONOTONIC),
            }),
            trace_packet_defaults: Some(PacketDefaults {
                timestamp_clock_id: Some(MONOTONIC),
            }),
            ..Packet::default()
        })?;
        Ok(writer)
    }

    /// Tells of a track. To tell the same again changes nothing.
    pub(super) fn track(&mut self, track: TrackDescriptor) -> io::Result<()> {
        self.write(Packet {
            track_descriptor: Some(track),
            ..Packet::default()
        })
    }

    /// Begins a slice.
    pub(super) fn begin(&mut self, at_ns: u64, track: u64, mark: Mark) -> io::Result<()> {
        self.event(at_ns, track, Type::SliceBegin, mark)
    }

    /// Ends the slice that began last on that track and goes on.
    pub(super) fn end(&mut self, at_ns: u64, track: u64, args: Args) -> io::Result<()> {
        let mark = Mark {
            args,
            ..Mark::default()
        };
        self.event(at_ns, track, Type::SliceEnd, mark)
    }

    /// Marks a moment.
    pub(super) fn instant(&mut self, at_ns: u64, track: u64, mark: Mark) -> io::Result<()> {
        self.event(at_ns, track, Type::Instant, mark)
    }

    /// Bytes so far.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn event(&mut self, at_ns: u64, track: u64, of: Type, mark: Mark) -> io::Result<()> {
        let mut fresh = InternedData::default();
        let event = TrackEvent {
            category_iids: match mark.category {
                "" => Vec::new(),
                it => vec![self.categories.iid(it, &mut fresh.event_categories)],
            },
            name_iid: match mark.name {
                "" => None,
                it => Some(self.names.iid(it, &mut fresh.event_names)),
            },
            debug_annotations: mark
                .args
                .into_iter()
                .map(|(name, value)| {
                    let names = &mut fresh.debug_annotation_names;
                    annotation(self.arguments.iid(name, names), value)
                })
                .collect(),
            r#type: Some(of.into()),
            track_uuid: Some(track),
            flow_ids: mark.flows,
            terminating_flow_ids: mark.ends,
        };
        self.write(Packet {
            timestamp: Some(signed(at_ns)),
            sequence_flags: Some(NEEDS_INCREMENTAL_STATE),
            interned_data: (fresh != InternedData::default()).then_some(fresh),
            track_event: Some(event),
            ..Packet::default()
        })
    }

    /// Writes a field of `Trace`.
    fn write(&mut self, packet: Packet) -> io::Result<()> {
        let packet = Packet {
            trusted_packet_sequence_id: Some(SEQUENCE),
            ..packet
        };
        self.packet.clear();
        encode_key(1, WireType::LengthDelimited, &mut self.packet);
        encode_varint(packet.encoded_len() as u64, &mut self.packet);
        packet.encode_raw(&mut self.packet);
        self.out.write_all(&self.packet)?;
        self.written += self.packet.len() as u64;
        Ok(())
    }
}

/// Perfetto counts with signed numbers.
fn signed(at_ns: u64) -> u64 {
    at_ns.min(i64::MAX.cast_unsigned())
}

fn annotation(name: u64, value: Value) -> DebugAnnotation {
    let annotation = DebugAnnotation {
        name_iid: Some(name),
        ..DebugAnnotation::default()
    };
    match value {
        Value::Text(text) => DebugAnnotation {
            string_value: Some(text),
            ..annotation
        },
        Value::Number(number) => DebugAnnotation {
            uint_value: Some(number),
            ..annotation
        },
        Value::Signed(number) => DebugAnnotation {
            int_value: Some(number),
            ..annotation
        },
        Value::Flag(flag) => DebugAnnotation {
            bool_value: Some(flag),
            ..annotation
        },
    }
}
