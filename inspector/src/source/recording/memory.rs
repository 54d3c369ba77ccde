//! What a process has told lately: a recording in memory that forgets its beginning.

use std::io;
use std::time::Duration;

use netpoller_proto::recording::{Kept, MAGIC};
use netpoller_proto::v1::{
    DiagnoseResponse, GetServerResponse, ListSitesResponse, TransitionsFrame, WatchFrame,
};

use super::past::Past;
use super::writer::Writer;
use crate::failure::Failure;
use crate::source::endpoint::Connection;
use crate::source::target::Target;

/// Bytes that are kept, compressed, at most; a block more before some are forgotten.
const KEPT: u64 = 64 << 20;

/// Keeps what a process tells, the last of it. It takes what [`Writer`] takes.
#[derive(Debug)]
pub(crate) struct Memory {
    writer: Writer<Vec<u8>>,
    kept: Kept,
    /// The process that is remembered: its number, and when it was started.
    process: (u32, u64),
}

fn process(server: &GetServerResponse) -> (u32, u64) {
    (server.pid, server.started_at_ns)
}

impl Memory {
    /// Remembers nothing yet of the process that has answered so.
    pub(crate) fn new(server: GetServerResponse) -> Result<Self, Failure> {
        Self::of(server, KEPT)
    }

    fn of(server: GetServerResponse, kept: u64) -> Result<Self, Failure> {
        let process = process(&server);
        let kept = Kept::new(kept);
        let writer = Writer::new(Vec::new(), server).map_err(failed)?;
        Ok(Self {
            process,
            writer: writer.with_keyframes_every(kept.table_every()),
            kept,
        })
    }

    /// Whether it is this process that is remembered.
    pub(crate) fn is_of(&self, server: &GetServerResponse) -> bool {
        self.process == process(server)
    }

    /// A piece of the table, or of what has changed there.
    pub(crate) fn frame(&mut self, frame: WatchFrame) -> Result<(), Failure> {
        self.writer.frame(frame).map_err(failed)?;
        self.forget()
    }

    /// Some events.
    pub(crate) fn transitions(&mut self, frame: TransitionsFrame) -> Result<(), Failure> {
        self.writer.transitions(frame).map_err(failed)?;
        self.forget()
    }

    /// What was found wrong.
    pub(crate) fn diagnosis(&mut self, diagnosis: DiagnoseResponse) -> Result<(), Failure> {
        self.writer.diagnosis(diagnosis).map_err(failed)
    }

    /// The lines that open descriptors.
    pub(crate) fn sites(&mut self, sites: ListSitesResponse) -> Result<(), Failure> {
        self.writer.sites(sites).map_err(failed)
    }

    /// All of it up to now, as a recording. What comes later is not in it.
    pub(crate) fn recall(&mut self) -> Result<Recalled, Failure> {
        self.writer.flush().map_err(failed)?;
        Ok(Recalled(self.writer.out().clone()))
    }

    /// Forgets the beginning of what is more than is kept. What is left begins with a whole table;
    /// it is an error if the process tells more and more, and never a whole one.
    fn forget(&mut self) -> Result<(), Failure> {
        let written = self.writer.written();
        self.kept.table(self.writer.keyframe_begin());
        if let Some(left) = self.kept.left(written) {
            self.kept.begins(written - left);
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            let out = self.writer.out_mut();
            let end = out.len().saturating_sub(left);
            out.drain(MAGIC.len()..end.max(MAGIC.len()));
        }
        match self.kept.is_far_over(written) {
            true => Err(Failure::Runtime("no whole table comes any more".to_owned())),
            false => Ok(()),
        }
    }
}

/// What was remembered at a moment.
#[derive(Debug)]
pub(crate) struct Recalled(Vec<u8>);

impl Recalled {
    /// Asks it, as if it were the process at its last moment. An error if nothing is known yet.
    pub(crate) async fn connect(
        self,
        target: &Target,
        timeout: Duration,
    ) -> Result<Connection, Failure> {
        // All of it is read for its checksums.
        let past = tokio::task::spawn_blocking(move || self.past()).await;
        let past = past.map_err(|error| Failure::Runtime(format!("reading it: {error}")))?;
        super::open(past?, None, target, timeout).await
    }

    fn past(self) -> Result<Past, Failure> {
        let unknown = |why| Failure::Runtime(format!("nothing is remembered yet: {why}"));
        Past::of(Box::new(self.0)).map_err(unknown)
    }
}

fn failed(error: io::Error) -> Failure {
    Failure::Runtime(format!("what the process tells cannot be kept: {error}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use netpoller_proto::v1::{Event, Finding};

    use super::*;
    use crate::fixture;
    use crate::source::recording::moment::Moment;
    use crate::source::recording::timeline;

    const SECOND: u64 = 1_000_000_000;

    /// A row that is another one in each second.
    fn told(memory: &mut Memory, second: u64) {
        let at_ns = fixture::NOW_NS + second * SECOND;
        let mut row = fixture::row(1, at_ns);
        row.generation = u32::try_from(second).expect("small");
        row.label = format!("{:x}", u128::from(second).wrapping_pow(37)).repeat(9);
        let frame = WatchFrame {
            sequence: second,
            captured_at_ns: at_ns,
            epoch: 1,
            keyframe: true,
            upserts: vec![row],
            end: true,
            ..WatchFrame::default()
        };
        memory.frame(frame).expect("kept");
    }

    #[test]
    fn what_is_remembered_is_bounded_and_begins_with_a_whole_table() {
        const KEPT: u64 = 64 << 10;
        let server = fixture::server(3, fixture::NOW_NS);
        let mut memory = Memory::of(server, KEPT).expect("begun");
        for second in 0..6_000 {
            told(&mut memory, second);
            memory.writer.flush().expect("kept");
            assert!(memory.writer.out().len() as u64 <= KEPT + (16 << 10));
        }
        let past = memory
            .recall()
            .and_then(Recalled::past)
            .expect("remembered");
        assert!(past.begins_at_ns > fixture::NOW_NS + 60 * SECOND);
        assert_eq!(past.ends_at_ns, fixture::NOW_NS + 5_999 * SECOND);
        let past = Arc::new(past);
        let mut moment = Moment::first(Arc::clone(&past));
        for at_ns in (past.begins_at_ns..=past.ends_at_ns).step_by(7 * SECOND as usize) {
            moment.go(at_ns);
            let second = (at_ns - fixture::NOW_NS) / SECOND;
            let rows: Vec<_> = moment
                .model
                .rows
                .values()
                .map(|row| row.generation)
                .collect();
            assert_eq!(rows, [u32::try_from(second).expect("small")]);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_however_many_events_there_are() {
        const KEPT: u64 = 64 << 10;
        let server = fixture::server(3, fixture::NOW_NS);
        let mut memory = Memory::of(server, KEPT).expect("begun");
        let mut noise = 1_u64;
        for second in 0..100 {
            told(&mut memory, second);
            let at_ns = fixture::NOW_NS + second * SECOND;
            let event = |_| {
                noise = noise.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                Event {
                    at_ns,
                    argument: noise,
                    ..Event::default()
                }
            };
            let frame = TransitionsFrame {
                captured_at_ns: at_ns,
                events: (0..200).map(event).collect(),
                ..TransitionsFrame::default()
            };
            memory.transitions(frame).expect("kept");
            memory.writer.flush().expect("kept");
            assert!(memory.writer.out().len() as u64 <= KEPT + (16 << 10));
        }
        let past = memory.recall().and_then(Recalled::past);
        let past = past.expect("remembered");
        assert!(past.begins_at_ns > fixture::NOW_NS + 60 * SECOND);
        assert_eq!(past.ends_at_ns, fixture::NOW_NS + 99 * SECOND);
    }

    #[test]
    fn of_a_process_that_never_tells_a_whole_table_nothing_is_kept_for_ever() {
        let server = fixture::server(1, fixture::NOW_NS);
        let mut memory = Memory::of(server, 64 << 10).expect("memory");
        let given_up = (0..10_000u64).find(|sequence| {
            let rows = (0..20).map(|slot| fixture::row(slot, fixture::NOW_NS + sequence));
            let frame = WatchFrame {
                sequence: *sequence,
                captured_at_ns: fixture::NOW_NS + sequence,
                epoch: 1,
                keyframe: true,
                upserts: rows.collect(),
                ..WatchFrame::default()
            };
            memory.frame(frame).is_err()
        });
        assert!(given_up.is_some());
        assert!(
            memory.writer.written() < 256 << 10,
            "{}",
            memory.writer.written()
        );
    }

    #[test]
    fn it_is_told_when_something_was_found_that_was_not_before() {
        let server = fixture::server(3, fixture::NOW_NS);
        let mut memory = Memory::new(server).expect("begun");
        let looks = [
            (1, vec![]),
            (2, vec!["a"]),
            (3, vec!["a"]),
            (70, vec!["a", "b"]),
            (80, vec!["b"]),
        ];
        for second in 0..100 {
            told(&mut memory, second);
            let Some((_, lints)) = looks.iter().find(|(at, _)| *at == second) else {
                continue;
            };
            let finding = |lint: &&str| Finding {
                lint: (*lint).to_owned(),
                ..Finding::default()
            };
            memory
                .diagnosis(DiagnoseResponse {
                    captured_at_ns: fixture::NOW_NS + second * SECOND,
                    findings: lints.iter().map(finding).collect(),
                    ..DiagnoseResponse::default()
                })
                .expect("kept");
        }
        let past = memory
            .recall()
            .and_then(Recalled::past)
            .expect("remembered");
        let timeline = timeline::of(&past);
        let seconds = timeline.finds().iter();
        let seconds: Vec<_> = seconds.map(|at| (at - fixture::NOW_NS) / SECOND).collect();
        assert_eq!(seconds, [2, 70]);
    }
}
