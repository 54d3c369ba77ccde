//! Writing a recording.

use std::io::{self, Write};
use std::sync::Arc;

use netpoller_proto::recording::{self, Content, MAGIC, Pending};
use netpoller_proto::v1::entry::Told as Entry;
use netpoller_proto::v1::{
    Descriptor, DiagnoseResponse, Ended, GetServerResponse, ListSitesResponse, TransitionsFrame,
    WatchFrame,
};

use super::entries;
use crate::model::Model;
use crate::source::serve::{Table, Told, Wanted};

/// All that is known is written again after so long, or after so many bytes: nobody reads more to
/// find out how things stood at a moment.
const KEYFRAME_NS: u64 = 60_000_000_000;
const KEYFRAME_BYTES: usize = 16 << 20;
/// What the end takes, at most.
const END: u64 = 1 << 10;
/// Letters of why there is no more, at most: no letter takes more than four bytes.
const REASON: usize = 200;

/// Writes what a process tells, as it comes.
///
/// A block is written when it is full, and by [`Self::flush`]; what is in none yet is lost with the
/// process that records.
#[derive(Debug)]
pub(crate) struct Writer<W> {
    out: W,
    /// Bytes that were written, and how many there may be.
    written: u64,
    most: u64,
    /// Something was left out that had no room.
    is_full: bool,
    /// The blocks that are to be written next.
    state: Pending,
    events: Pending,
    /// The last moment in what is written.
    last_ns: u64,
    /// All that is known.
    server: GetServerResponse,
    model: Model,
    /// The last group of the table has ended.
    is_whole: bool,
    sites: Option<ListSitesResponse>,
    diagnosis: Option<DiagnoseResponse>,
    /// When it was last written, where, and what came since.
    keyframe_at_ns: u64,
    keyframe_begin: u64,
    since_keyframe: usize,
    /// It is written again after so many bytes of whatever is written.
    keyframe_every: u64,
}

impl<W: Write> Writer<W> {
    /// Begins a recording of the process that has answered so.
    pub(crate) fn new(mut out: W, server: GetServerResponse) -> io::Result<Self> {
        out.write_all(&MAGIC)?;
        let mut writer = Self {
            out,
            written: MAGIC.len() as u64,
            most: u64::MAX,
            is_full: false,
            state: Pending::new(Content::Keyframe),
            events: Pending::new(Content::Events),
            last_ns: server.captured_at_ns,
            keyframe_at_ns: server.captured_at_ns,
            server: server.clone(),
            model: Model::default(),
            is_whole: false,
            sites: None,
            diagnosis: None,
            keyframe_begin: MAGIC.len() as u64,
            since_keyframe: 0,
            keyframe_every: u64::MAX,
        };
        writer.put(Entry::Server(server))?;
        Ok(writer)
    }

    /// The same, of so many bytes at most; not less than the end takes.
    pub(crate) fn of_at_most(self, bytes: u64) -> Self {
        let most = bytes.max(self.written + END);
        Self { most, ..self }
    }

    /// The same, with all that is known after so many bytes of whatever is written.
    pub(super) fn with_keyframes_every(self, bytes: u64) -> Self {
        Self {
            keyframe_every: bytes,
            ..self
        }
    }

    /// Bytes that were written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Whether something came that had no room.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }

    /// The byte of all that were written at which the last block begins that has all that was
    /// known, or will.
    pub(super) fn keyframe_begin(&self) -> u64 {
        self.keyframe_begin
    }

    /// Where it is written to.
    pub(crate) fn out(&self) -> &W {
        &self.out
    }

    /// The same, to take something away from what has been written.
    pub(super) fn out_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// The table is larger than is recorded.
    pub(crate) fn is_too_large(&self) -> bool {
        self.model.is_too_large()
    }

    /// A piece of the table, or of what has changed there.
    pub(crate) fn frame(&mut self, frame: WatchFrame) -> io::Result<()> {
        self.is_whole = self.model.apply(frame.clone());
        self.put(Entry::Frame(frame))?;
        self.renew()
    }

    /// Some events.
    pub(crate) fn transitions(&mut self, frame: TransitionsFrame) -> io::Result<()> {
        self.put(Entry::Transitions(frame))?;
        self.renew()
    }

    /// What was found wrong.
    pub(crate) fn diagnosis(&mut self, diagnosis: DiagnoseResponse) -> io::Result<()> {
        self.diagnosis = Some(diagnosis.clone());
        self.put(Entry::Diagnosis(diagnosis))
    }

    /// The lines that open descriptors.
    pub(crate) fn sites(&mut self, sites: ListSitesResponse) -> io::Result<()> {
        self.sites = Some(sites.clone());
        self.put(Entry::Sites(sites))
    }

    /// Writes what has come so far, and why there is no more.
    pub(crate) fn finish(&mut self, why: &str) -> io::Result<()> {
        self.flush()?;
        let at_ns = self.last_ns;
        let ended = Entry::Ended(Ended {
            at_ns,
            why: why.chars().take(REASON).collect(),
        });
        let mut end = Pending::new(Content::Changes);
        entries::put(ended, (at_ns, at_ns), &mut end);
        if let Some((block, _)) = end.take(Content::Changes)? {
            self.out.write_all(&block)?;
            self.written += block.len() as u64;
        }
        self.out.flush()
    }

    /// Writes what has come so far, as far as there is room for it and for the end. Nothing is
    /// written after what had none.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let blocks = [
            self.state.take(Content::Changes)?,
            self.events.take(Content::Events)?,
        ];
        for (block, last_ns) in blocks.into_iter().flatten() {
            let written = self.written + block.len() as u64;
            self.is_full |= written.saturating_add(END) > self.most;
            if !self.is_full {
                self.out.write_all(&block)?;
                self.written = written;
                self.last_ns = self.last_ns.max(last_ns);
            }
        }
        self.out.flush()
    }

    fn put(&mut self, told: Entry) -> io::Result<()> {
        let (first_ns, last_ns) = recording::moments(&told);
        let moments = match &told {
            Entry::Transitions(_) => (first_ns, last_ns),
            // What is written again at a keyframe may be older than that, and the block is not.
            _ => [last_ns.max(self.keyframe_at_ns); 2].into(),
        };
        let next = match &told {
            Entry::Transitions(_) => &mut self.events,
            _ => &mut self.state,
        };
        let more = entries::put(told, moments, next);
        let is_full = next.is_full();
        if next.of != Content::Events {
            self.since_keyframe += more;
        }
        match is_full {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Writes all that is known again, if it is time to.
    fn renew(&mut self) -> io::Result<()> {
        let gone_ns = self
            .model
            .captured_at_ns
            .saturating_sub(self.keyframe_at_ns);
        let is_due = gone_ns >= KEYFRAME_NS
            || self.since_keyframe >= KEYFRAME_BYTES
            || self.written - self.keyframe_begin >= self.keyframe_every;
        match self.is_whole && is_due {
            true => self.keyframe(),
            false => Ok(()),
        }
    }

    /// Begins a block with all that is known.
    fn keyframe(&mut self) -> io::Result<()> {
        self.flush()?;
        self.state.of = Content::Keyframe;
        self.keyframe_begin = self.written;
        self.keyframe_at_ns = self.model.captured_at_ns;
        let mut server = self.server.clone();
        let gone_ns = self
            .model
            .captured_at_ns
            .saturating_sub(server.captured_at_ns);
        server.captured_at_ns += gone_ns;
        server.wall_clock_ns = server.wall_clock_ns.saturating_add(gone_ns);
        self.put(Entry::Server(server))?;
        let rows: Vec<Arc<Descriptor>> = self.model.rows.values().cloned().collect();
        let table = Table {
            captured_at_ns: self.model.captured_at_ns,
            epoch: self.model.epoch,
            rows: &rows,
            sockets_at_ns: 0,
            sockets_error: &self.model.sockets_error.clone(),
        };
        let mut frames = Told::default().tell(&table, &Wanted::all());
        if let Some(last) = frames.last_mut() {
            last.stats = self.model.stats.as_deref().cloned();
        }
        for frame in frames {
            self.put(Entry::Frame(frame))?;
        }
        if let Some(sites) = self.sites.clone() {
            self.put(Entry::Sites(sites))?;
        }
        if let Some(diagnosis) = self.diagnosis.clone() {
            self.put(Entry::Diagnosis(diagnosis))?;
        }
        self.since_keyframe = 0;
        Ok(())
    }
}
