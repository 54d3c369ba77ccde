//! The file of a black box: a recording at every moment, of bounded size.
//!
//! What goes wrong does not end it: what cannot be written is thrown away and counted, it is said
//! once on stderr, and some time later it is tried again with a whole table.

use std::fmt::Display;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use netpoller_core::view;
use netpoller_proto::recording::{self, Content, Kept, MAGIC, Pending};
use netpoller_proto::v1::entry::Told;
use netpoller_proto::v1::{Ended, Entry};
use prost::Message;
use rustix::process::{Resource, getrlimit};

use super::place::Place;
use crate::error::StartError;
use crate::notice;

/// A whole table is written after so long, or after a quarter of the file: nobody reads more to
/// find out how things stood at a moment.
const TABLE_NS: u64 = 60_000_000_000;
/// It is tried again so long after an error.
const AGAIN_NS: u64 = 5_000_000_000;
/// Bytes that are copied at a time.
const PIECE: usize = 64 << 10;

/// What has been written, and what is to be written next.
#[derive(Debug)]
pub(super) struct BoxFile {
    place: Place,
    file: File,
    /// Bytes in it, and how many there may be.
    length: u64,
    most: u64,
    /// Bytes that were ever written, and which of them are kept.
    written: u64,
    kept: Kept,
    state: Pending,
    events: Pending,
    /// Events that wait to be written, and those that were thrown away so far.
    waiting: u64,
    lost: u64,
    /// When the last whole table was begun, and behind how many bytes of all.
    table_at_ns: u64,
    table_begin: u64,
    /// Where it has ended.
    table_end: Option<u64>,
    /// Nothing is written until a table is begun, not before that moment.
    broken_until_ns: Option<u64>,
    /// What was said of it; empty since it works.
    said: String,
}

impl BoxFile {
    /// Makes the file, and keeps what another process has left there.
    pub(super) fn create(path: &Path, most: u64) -> Result<Self, StartError> {
        let place = Place::of(path)?;
        let begin = MAGIC.len() as u64;
        Ok(Self {
            file: place.begin()?,
            place,
            length: begin,
            most,
            written: begin,
            kept: Kept::new(most),
            state: Pending::new(Content::Changes),
            events: Pending::new(Content::Events),
            waiting: 0,
            lost: 0,
            table_at_ns: 0,
            table_begin: begin,
            table_end: None,
            // With a table it begins.
            broken_until_ns: Some(0),
            said: String::new(),
        })
    }

    /// Whether it is time to write a whole table.
    pub(super) fn is_table_due(&self) -> bool {
        let now_ns = view::now_ns();
        match (self.broken_until_ns, self.table_end) {
            (Some(until_ns), _) => until_ns <= now_ns,
            (None, Some(end)) => {
                now_ns.saturating_sub(self.table_at_ns) >= TABLE_NS
                    || self.written.saturating_sub(end) >= self.kept.table_every()
            }
            (None, None) => false,
        }
    }

    /// Begins a block with all that is known, which is to be put next.
    pub(super) fn begin_table(&mut self) {
        self.flush();
        let in_place = self.place.is_at(&self.file).and_then(|is_at| match is_at {
            Some(true) => Ok(()),
            Some(false) => Err(io::Error::other(
                "another file lies in its place, which is left",
            )),
            // Somebody has taken it away: what is told from here on is another one.
            None => self.begin_anew(),
        });
        self.broken_until_ns = None;
        self.state.of = Content::Keyframe;
        self.table_at_ns = view::now_ns();
        self.table_begin = self.written;
        self.table_end = None;
        if let Err(error) = in_place {
            self.broken(&error);
        }
    }

    /// Says that the table is whole.
    pub(super) fn end_table(&mut self) {
        self.flush();
        if self.broken_until_ns.is_some() {
            return;
        }
        self.table_end = Some(self.written);
        self.kept.table(self.table_begin);
        let (takes, most) = (self.written - self.table_begin, self.kept.table_every());
        if takes > most {
            let error = format!(
                "the table takes {takes} bytes, and may take {most}, a quarter of the size: give it a larger one"
            );
            self.broken(&error);
        } else if !self.said.is_empty() {
            self.said.clear();
            self.say("it is written again");
        }
    }

    /// Puts an entry behind the others.
    pub(super) fn put(&mut self, mut told: Told) {
        let (first_ns, last_ns) = recording::moments(&told);
        let (next, moments) = match &mut told {
            Told::Transitions(frame) => {
                // Of those that were thrown away here nobody else knows.
                frame.lost += self.lost;
                self.waiting += frame.events.len() as u64;
                (&mut self.events, (first_ns, last_ns))
            }
            // What is told again behind a table may be older than that, and the block is not.
            _ => (&mut self.state, [last_ns.max(self.table_at_ns); 2].into()),
        };
        next.put(&Entry { told: Some(told) }.encode_to_vec(), moments);
        if next.is_full() {
            self.flush();
        }
    }

    /// Writes what has come so far, and forgets the beginning where there is no room for it.
    pub(super) fn flush(&mut self) {
        let events = std::mem::take(&mut self.waiting);
        for (content, events) in [(Content::Changes, 0), (Content::Events, events)] {
            let pending = match content {
                Content::Events => &mut self.events,
                _ => &mut self.state,
            };
            let block = match pending.take(content) {
                Ok(Some((block, _))) => block,
                Ok(None) => continue,
                Err(error) => {
                    self.broken(&error);
                    continue;
                }
            };
            if self.broken_until_ns.is_none()
                && let Err(error) = self.write(&block)
            {
                self.broken(&error);
            }
            if self.broken_until_ns.is_some() {
                self.lost += events;
            }
        }
    }

    fn write(&mut self, block: &[u8]) -> io::Result<()> {
        let bytes = block.len() as u64;
        if self.length + bytes > self.most {
            self.make_room(bytes)?;
        }
        self.write_at_end(block)
    }

    fn write_at_end(&mut self, bytes: &[u8]) -> io::Result<()> {
        within_limit(self.length + bytes.len() as u64)?;
        if let Err(error) = self.file.write_all_at(bytes, self.length) {
            // Half a block would be taken for a damage.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += bytes.len() as u64;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Forgets the beginning. Where no other file can be made, as by a process that has changed its
    /// user, all of it: its size is bounded all the same.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        let made = match self.kept.left(self.written + bytes) {
            Some(left) => self.forget_all_but(left - bytes),
            None => Err(io::Error::other(
                "what is told takes more than its size: give it a larger one, or `without_events()`",
            )),
        };
        made.or_else(|error| {
            // One that somebody has moved is theirs.
            if self.place.is_at(&self.file)? == Some(true) {
                self.length = MAGIC.len() as u64;
                self.file.set_len(self.length)?;
                self.kept.begins(self.written);
            }
            Err(error)
        })
    }

    /// Writes the file anew with these bytes of its end. Whoever reads the old one keeps it.
    fn forget_all_but(&mut self, left: u64) -> io::Result<()> {
        let file = self.place.make()?;
        let copied = self
            .copy_end(&file, left)
            .and_then(|()| self.place.replace(&self.file));
        if let Err(error) = copied {
            self.place.discard();
            return Err(error);
        }
        self.file = file;
        self.length = MAGIC.len() as u64 + left;
        self.kept.begins(self.written - left);
        Ok(())
    }

    fn copy_end(&self, to: &File, left: u64) -> io::Result<()> {
        let from = self.length.saturating_sub(left).max(MAGIC.len() as u64);
        within_limit(MAGIC.len() as u64 + left)?;
        let (mut piece, mut at) = (vec![0; PIECE], from);
        while at < self.length {
            let more = usize::try_from(self.length - at).map_or(PIECE, |it| it.min(PIECE));
            self.file.read_exact_at(&mut piece[..more], at)?;
            to.write_all_at(&piece[..more], at - from + MAGIC.len() as u64)?;
            at += more as u64;
        }
        Ok(())
    }

    /// Begins another file in its place, where there is none.
    fn begin_anew(&mut self) -> io::Result<()> {
        self.file = self.place.begin()?;
        self.length = MAGIC.len() as u64;
        self.kept.begins(self.written);
        Ok(())
    }

    /// Writes nothing for a while, and says why, once.
    pub(super) fn broken(&mut self, error: &dyn Display) {
        self.broken_until_ns = Some(view::now_ns() + AGAIN_NS);
        let error = error.to_string();
        if self.said != error {
            self.say(&format!("{error}; it is tried again and again"));
            self.said = error;
        }
    }

    fn say(&self, what: &str) {
        notice::say(&format!(
            "black box {}: {what}",
            self.place.path().display()
        ));
    }
}

/// Beyond the limit of the size of files the kernel does not only refuse, but sends SIGXFSZ.
fn within_limit(length: u64) -> io::Result<()> {
    match getrlimit(Resource::Fsize).current {
        Some(limit) if length > limit => Err(io::ErrorKind::FileTooLarge.into()),
        _ => Ok(()),
    }
}

/// The end of the recording, where there is time for one.
impl Drop for BoxFile {
    fn drop(&mut self) {
        // It comes last.
        self.flush();
        self.put(Told::Ended(Ended {
            at_ns: view::now_ns(),
            why: "the black box was closed".to_owned(),
        }));
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::fs::OpenOptions;

    use netpoller_proto::v1::{Event, GetServerResponse, TransitionsFrame, WatchFrame};

    use super::*;
    use crate::blackbox::tests::entries;

    /// Noise, so that it takes as much in the file.
    fn frame(number: u64) -> Told {
        let mut noise = number + 1;
        let noise = std::iter::repeat_with(|| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            noise >> 32
        });
        let noise = noise.take(200);
        Told::Frame(WatchFrame {
            sequence: number,
            captured_at_ns: view::now_ns(),
            sockets_error: noise.map(|it| format!("{it:x}")).collect(),
            ..WatchFrame::default()
        })
    }

    fn table(file: &mut BoxFile) {
        file.begin_table();
        file.put(Told::Server(GetServerResponse::default()));
        file.end_table();
    }

    /// As what tells does it; the waiting after an error is not waited for.
    fn tell(file: &mut BoxFile, told: Told) {
        if let Some(until_ns) = &mut file.broken_until_ns {
            *until_ns = 0;
        }
        if file.is_table_due() {
            table(file);
        }
        file.put(told);
        file.flush();
    }

    fn numbers(path: &Path) -> Vec<u64> {
        let frames = entries(path)
            .into_iter()
            .filter_map(|(_, told)| match told {
                Told::Frame(it) => Some(it.sequence),
                _ => None,
            });
        frames.collect()
    }

    #[track_caller]
    fn assert_begins_with_a_table(path: &Path) {
        let all = entries(path);
        assert!(matches!(
            all.first(),
            Some((Content::Keyframe, Told::Server(_)))
        ));
    }

    #[test]
    fn the_file_is_bounded_and_begins_with_a_whole_table_whenever_it_is_looked_at() {
        const MOST: u64 = 64 << 10;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("box.npl");
        let mut file = BoxFile::create(&path, MOST).unwrap();
        let mut forgot = false;
        for number in 0..200 {
            tell(&mut file, frame(number));
            assert_eq!(file.said, "");
            assert!(fs::metadata(&path).unwrap().len() <= MOST);
            assert_begins_with_a_table(&path);
            let numbers = numbers(&path);
            assert_eq!(numbers.last(), Some(&number));
            assert!(numbers.is_sorted_by(|a, b| a + 1 == *b));
            forgot |= numbers.first() != Some(&0);
        }
        assert!(forgot);
        assert!(!directory.path().join("box.npl.new").exists());
    }

    #[test]
    fn a_table_that_is_too_large_is_said_once_and_a_smaller_one_is_written_after_it() {
        const MOST: u64 = 16 << 10;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("box.npl");
        let mut file = BoxFile::create(&path, MOST).unwrap();
        for frames in [6, 60, 6, 60] {
            file.begin_table();
            (0..frames).for_each(|number| file.put(frame(number)));
            file.end_table();
            assert!(fs::metadata(&path).unwrap().len() <= MOST);
            assert!(file.said.contains("larger one"), "{}", file.said);
            assert!(!file.is_table_due(), "not at once");
        }
        tell(&mut file, frame(100));
        assert_eq!(file.said, "");
        assert_eq!(numbers(&path).last(), Some(&100));
    }

    #[test]
    fn after_a_full_disk_it_goes_on_with_a_table_and_says_how_many_events_are_missing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("box.npl");
        let mut file = BoxFile::create(&path, 1 << 20).unwrap();
        tell(&mut file, frame(0));
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let real = std::mem::replace(&mut file.file, full);
        let events = |count| {
            Told::Transitions(TransitionsFrame {
                events: vec![Event::default(); count],
                lost: 1,
                ..TransitionsFrame::default()
            })
        };
        file.put(events(5));
        file.flush();
        assert!(file.said.contains("No space left"), "{}", file.said);
        // While nothing is written, and in the middle of a table.
        file.put(events(7));
        file.flush();
        file.broken_until_ns = Some(0);
        table(&mut file);
        file.file = real;
        file.put(events(8));
        file.flush();
        tell(&mut file, events(3));
        assert_eq!(file.said, "");
        drop(file);
        let all = entries(&path);
        assert!(matches!(all.last(), Some((_, Told::Ended(_)))));
        let frames: Vec<_> = all
            .iter()
            .filter_map(|(_, told)| match told {
                Told::Transitions(it) => Some((it.events.len(), it.lost)),
                _ => None,
            })
            .collect();
        assert_eq!(frames, [(3, 1 + 5 + 7 + 8)]);
        let tables = all
            .iter()
            .filter(|(_, told)| matches!(told, Told::Server(_)));
        assert_eq!(tables.count(), 2);
    }

    #[test]
    fn where_no_other_file_can_be_made_it_is_bounded_and_has_the_last_of_it() {
        const MOST: u64 = 64 << 10;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("box.npl");
        let mut file = BoxFile::create(&path, MOST).unwrap();
        fs::create_dir(directory.path().join("box.npl.new")).unwrap();
        let mut errors = 0;
        for number in 0..400 {
            tell(&mut file, frame(number));
            errors += u32::from(file.broken_until_ns.is_some());
            assert!(fs::metadata(&path).unwrap().len() <= MOST);
            if file.broken_until_ns.is_none() {
                assert_begins_with_a_table(&path);
                assert_eq!(numbers(&path).last(), Some(&number));
            }
        }
        assert!((1..40).contains(&errors), "{errors}");
    }

    #[test]
    fn a_file_that_was_taken_away_is_begun_anew_and_another_one_in_its_place_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("box.npl");
        let mut file = BoxFile::create(&path, 1 << 20).unwrap();
        tell(&mut file, frame(0));
        fs::rename(&path, directory.path().join("rotated")).unwrap();
        table(&mut file);
        tell(&mut file, frame(1));
        assert_eq!(numbers(&path), [1]);
        assert_eq!(numbers(&directory.path().join("rotated")), [0]);
        fs::remove_file(&path).unwrap();
        fs::write(&path, "a diary").unwrap();
        table(&mut file);
        tell(&mut file, frame(2));
        assert!(file.said.contains("another file"), "{}", file.said);
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), "a diary");
    }

    #[test]
    fn a_file_that_was_moved_keeps_what_it_has() {
        const MOST: u64 = 64 << 10;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("box.npl");
        let mut file = BoxFile::create(&path, MOST).unwrap();
        (0..30).for_each(|number| tell(&mut file, frame(number)));
        let rotated = directory.path().join("rotated");
        fs::rename(&path, &rotated).unwrap();
        let before = numbers(&rotated);
        // No table is due before there is no room.
        file.table_end = Some(u64::MAX / 2);
        (30..200).for_each(|number| tell(&mut file, frame(number)));
        assert!(numbers(&rotated).starts_with(&before));
        assert_eq!(numbers(&path).last(), Some(&199));
    }

    #[test]
    fn the_process_may_go_elsewhere_and_has_a_limit_of_the_size_of_files() {
        const NAME: &str = "blackbox::file::tests::the_process_may_go_elsewhere_and_has_a_limit_of_the_size_of_files";
        if !crate::fixture::in_own_runtime_dir(NAME) {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        std::env::set_current_dir(directory.path()).unwrap();
        let mut file = BoxFile::create(Path::new("box.npl"), 64 << 10).unwrap();
        std::env::set_current_dir("/").unwrap();
        let path = directory.path().join("box.npl");
        for number in 0..100 {
            tell(&mut file, frame(number));
        }
        assert_eq!(file.said, "");
        assert!(!numbers(&path).contains(&0));
        // Beyond it the process would be killed.
        let limit = rustix::process::Rlimit {
            current: Some(fs::metadata(&path).unwrap().len() + 2000),
            ..getrlimit(Resource::Fsize)
        };
        rustix::process::setrlimit(Resource::Fsize, limit).unwrap();
        for number in 100..110 {
            tell(&mut file, frame(number));
        }
        assert!(file.said.contains("too large"), "{}", file.said);
        assert!(numbers(&path).contains(&99));
    }
}
