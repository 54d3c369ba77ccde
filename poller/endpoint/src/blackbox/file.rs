//! The file of a black box: a recording at every moment, of bounded size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use netpoller_core::view;
use netpoller_proto::recording::{self, Content, Kept, MAGIC, Pending};
use netpoller_proto::v1::entry::Told;
use netpoller_proto::v1::{Ended, Entry};
use prost::Message;
use rustix::fs::{FlockOperation, flock};

use crate::error::StartError;

/// A whole table is written after so long, or after a quarter of the file: nobody reads more to
/// find out how things stood at a moment.
const TABLE_NS: u64 = 60_000_000_000;

/// What has been written, and what is to be written next.
#[derive(Debug)]
pub(super) struct BoxFile {
    path: PathBuf,
    /// It is locked for as long as it is open.
    file: File,
    /// Bytes in it.
    length: u64,
    /// Bytes that were ever written, and which of them are kept.
    written: u64,
    kept: Kept,
    state: Pending,
    events: Pending,
    /// When the last whole table was begun, and behind how many bytes of all.
    table_at_ns: u64,
    table_begin: u64,
}

impl BoxFile {
    /// Makes the file, and keeps what another process has left there.
    pub(super) fn create(path: &Path, most: u64) -> Result<Self, StartError> {
        keep_earlier(path)?;
        let failed = || StartError::io(format!("write the black box {}", path.display()));
        // What was being made when another process was killed.
        let _ = fs::remove_file(beside(path, "new"));
        let file = create(path).map_err(failed())?;
        Ok(Self {
            path: path.to_owned(),
            file,
            length: MAGIC.len() as u64,
            written: MAGIC.len() as u64,
            kept: Kept::new(most),
            state: Pending::new(Content::Changes),
            events: Pending::new(Content::Events),
            table_at_ns: 0,
            table_begin: MAGIC.len() as u64,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a block with all that is known, which is to be put next.
    pub(super) fn begin_table(&mut self) -> io::Result<()> {
        self.write()?;
        self.state.of = Content::Keyframe;
        self.table_at_ns = view::now_ns();
        self.table_begin = self.written;
        self.kept.table(self.written);
        // If the last table was too large all before this one can be forgotten.
        self.forget()
    }

    /// Whether it is time for that.
    pub(super) fn is_table_due(&self) -> bool {
        view::now_ns().saturating_sub(self.table_at_ns) >= TABLE_NS
            || self.written - self.table_begin >= self.kept.table_every()
    }

    /// Puts an entry behind the others.
    pub(super) fn put(&mut self, told: Told) -> io::Result<()> {
        let (first_ns, last_ns) = recording::moments(&told);
        let (next, moments) = match &told {
            Told::Transitions(_) => (&mut self.events, (first_ns, last_ns)),
            // What is told again behind a table may be older than that, and the block is not.
            _ => (&mut self.state, [last_ns.max(self.table_at_ns); 2].into()),
        };
        next.put(&Entry { told: Some(told) }.encode_to_vec(), moments);
        match next.is_full() {
            true => self.flush(),
            false => Ok(()),
        }
    }

    /// Writes what has come so far, and forgets the beginning if that is too much.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.write()?;
        self.forget()?;
        match self.kept.is_far_over(self.written) {
            true => Err(io::Error::other(
                "the table alone is larger than it may be: give it a larger size",
            )),
            false => Ok(()),
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let blocks = [
            self.state.take(Content::Changes)?,
            self.events.take(Content::Events)?,
        ];
        for (block, _) in blocks.into_iter().flatten() {
            if let Err(error) = self.file.write_all(&block) {
                // Half a block would be taken for a damage.
                let _ = self.file.set_len(self.length);
                let _ = self.file.seek(SeekFrom::Start(self.length));
                return Err(error);
            }
            self.length += block.len() as u64;
            self.written += block.len() as u64;
        }
        Ok(())
    }

    /// Forgets the beginning of what is more than is kept: writes the file anew without it. Whoever
    /// reads the old one keeps it.
    fn forget(&mut self) -> io::Result<()> {
        let Some(left) = self.kept.left(self.written) else {
            return Ok(());
        };
        let anew = beside(&self.path, "new");
        let _ = fs::remove_file(&anew);
        let made = create(&anew).and_then(|mut file| {
            let mut old = File::open(&self.path)?;
            old.seek(SeekFrom::Start(self.length.saturating_sub(left)))?;
            io::copy(&mut old, &mut file)?;
            fs::rename(&anew, &self.path)?;
            Ok(file)
        });
        match made {
            Ok(file) => {
                self.file = file;
                self.length = MAGIC.len() as u64 + left;
                self.kept.begins(self.written - left);
                Ok(())
            }
            Err(error) => {
                let _ = fs::remove_file(&anew);
                // Where no other file can be made, as by a process that has changed its user, it is
                // bounded all the same.
                if self.kept.is_far_over(self.written) {
                    self.length = MAGIC.len() as u64;
                    self.file.set_len(self.length)?;
                    self.file.seek(SeekFrom::Start(self.length))?;
                    self.kept.begins(self.written);
                }
                Err(error)
            }
        }
    }
}

/// The end of the recording, where there is time for one.
impl Drop for BoxFile {
    fn drop(&mut self) {
        let at_ns = view::now_ns();
        let why = "the black box was closed".to_owned();
        // It comes last. Nobody is left to tell of an error.
        let _ = self.flush();
        let _ = self.put(Told::Ended(Ended { at_ns, why }));
        let _ = self.flush();
    }
}

/// The file beside it with another ending more.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// A recording with nothing in it yet, which was not there.
fn create(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    file.write_all(&MAGIC)?;
    Ok(file)
}

/// Puts aside what an earlier process has written. What is no recording is left alone.
fn keep_earlier(path: &Path) -> Result<(), StartError> {
    let found = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    let not_ours = || StartError::NotARecording { path: path.into() };
    let mut found = match found {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // A symbolic link, or a socket.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ELOOP | libc::ENXIO)) => {
            return Err(not_ours());
        }
        Err(error) => {
            let action = format!("look at what is at {}", path.display());
            return Err(StartError::io(action)(error));
        }
    };
    let is_file = found.metadata().is_ok_and(|it| it.is_file());
    let mut begin = Vec::new();
    let is_recording = is_file
        && Read::by_ref(&mut found).take(MAGIC.len() as u64).read_to_end(&mut begin).is_ok()
        // One whose process was killed before it had written that.
        && (begin == MAGIC || begin.is_empty());
    if !is_recording {
        return Err(not_ours());
    }
    if flock(&found, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(StartError::BlackBoxInUse { path: path.into() });
    }
    let before = beside(path, "before");
    let action = format!("rename {} to {}", path.display(), before.display());
    fs::rename(path, before).map_err(StartError::io(action))
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::{GetServerResponse, TransitionsFrame, WatchFrame};

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

    #[test]
    fn the_file_is_bounded_and_begins_with_a_whole_table_whenever_it_is_looked_at() {
        const MOST: u64 = 64 << 10;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("box.npl");
        let mut file = BoxFile::create(&path, MOST).unwrap();
        let mut forgot = false;
        for number in 0..200 {
            if number == 0 || file.is_table_due() {
                file.begin_table().unwrap();
                let server = GetServerResponse::default();
                file.put(Told::Server(server)).unwrap();
            }
            file.put(frame(number)).unwrap();
            file.flush().unwrap();
            assert!(fs::metadata(&path).unwrap().len() <= MOST);
            let all = entries(&path);
            assert!(matches!(
                all.first(),
                Some((Content::Keyframe, Told::Server(_)))
            ));
            let last = all.last().map(|(_, it)| it);
            let Some(Told::Frame(last)) = last else {
                panic!("{last:?}")
            };
            assert_eq!(last.sequence, number);
            forgot |= all.len() < usize::try_from(number).unwrap();
        }
        assert!(forgot);
        assert!(!beside(&path, "new").exists());
    }

    #[test]
    fn a_table_that_is_larger_than_the_file_is_an_error_and_a_smaller_one_is_written_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("box.npl");
        let mut file = BoxFile::create(&path, 16 << 10).unwrap();
        file.begin_table().unwrap();
        let put = |file: &mut BoxFile, number| file.put(frame(number)).and_then(|()| file.flush());
        let error = (0..100).find_map(|number| put(&mut file, number).err());
        assert!(error.unwrap().to_string().contains("larger size"));
        file.begin_table().unwrap();
        put(&mut file, 100).unwrap();
        assert!(fs::metadata(&path).unwrap().len() <= 16 << 10);
        assert_eq!(entries(&path).len(), 1);
    }

    #[test]
    fn after_a_full_disk_it_goes_on_with_nothing_damaged() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("box.npl");
        let mut file = BoxFile::create(&path, 1 << 20).unwrap();
        file.put(frame(0)).unwrap();
        file.flush().unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let real = std::mem::replace(&mut file.file, full);
        file.put(frame(1)).unwrap();
        let error = file.flush().unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        file.file = real;
        file.put(frame(2)).unwrap();
        file.put(Told::Transitions(TransitionsFrame::default()))
            .unwrap();
        drop(file);
        let told = entries(&path).into_iter().map(|(_, told)| told);
        let told: Vec<u64> = told
            .map(|told| match told {
                Told::Frame(it) => it.sequence,
                Told::Ended(_) => u64::MAX,
                Told::Transitions(_) => 7,
                _ => panic!("{told:?}"),
            })
            .collect();
        assert_eq!(told, [0, 2, 7, u64::MAX]);
    }

    #[test]
    fn where_no_other_file_can_be_made_it_is_bounded_and_has_the_last_of_it() {
        const MOST: u64 = 64 << 10;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("box.npl");
        let mut file = BoxFile::create(&path, MOST).unwrap();
        fs::create_dir(beside(&path, "new")).unwrap();
        let mut errors = 0;
        for number in 0..400 {
            let written = match file.is_table_due() {
                true => file.begin_table(),
                false => Ok(()),
            };
            let written = written.and_then(|()| file.put(frame(number)));
            errors += u32::from(written.and_then(|()| file.flush()).is_err());
            assert!(fs::metadata(&path).unwrap().len() <= MOST / 4 * 5);
            let last = entries(&path).pop();
            assert!(last.is_none_or(|(_, it)| matches!(it, Told::Frame(_))));
        }
        assert!((1..400).contains(&errors), "{errors}");
    }

    #[test]
    fn what_an_earlier_process_left_is_kept_and_only_its_user_reads_it() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("box.npl");
        for number in 0..3 {
            let mut file = BoxFile::create(&path, 1 << 20).unwrap();
            file.put(frame(number)).unwrap();
            file.flush().unwrap();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            if number > 0 {
                let before = entries(&beside(&path, "before"));
                let Some((_, Told::Frame(first))) = before.first() else {
                    panic!("{before:?}")
                };
                assert_eq!(first.sequence, number - 1);
            }
        }
    }

    #[test]
    fn what_somebody_else_writes_or_is_no_recording_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("box.npl");
        let file = BoxFile::create(&path, 1 << 20).unwrap();
        let error = BoxFile::create(&path, 1 << 20).unwrap_err();
        assert!(matches!(error, StartError::BlackBoxInUse { .. }), "{error}");
        drop(file);
        let other = directory.path().join("other");
        fs::write(&other, "a diary").unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let socket = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let fifo = directory.path().join("fifo");
        let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, mode, 0).unwrap();
        for path in [&other, &link, &socket, &fifo, &directory.path().to_owned()] {
            let error = BoxFile::create(path, 1 << 20).unwrap_err();
            assert!(matches!(error, StartError::NotARecording { .. }), "{error}");
        }
        assert_eq!(fs::read_to_string(other).unwrap(), "a diary");
        let nowhere = directory.path().join("no/box.npl");
        let error = BoxFile::create(&nowhere, 1 << 20).unwrap_err();
        assert!(matches!(error, StartError::Io { .. }), "{error}");
    }
}
