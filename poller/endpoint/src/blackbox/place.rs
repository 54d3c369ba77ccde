//! Where a black box lies, and what an earlier process has left there.
//!
//! All is done in the directory that was found at the start: the process may go elsewhere, and the
//! path then lead to another one.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use netpoller_proto::recording::{HEAD, Head, MAGIC, Pending};
use netpoller_proto::v1::Entry;
use netpoller_proto::v1::entry::Told;
use prost::Message;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::error::StartError;

/// What is kept of an earlier process is not replaced by what covers less than that: a service that
/// fails at each start must not wipe out what it did before.
const SHORT_NS: u64 = 10_000_000_000;
/// Others may start at the same time.
const TRIES: usize = 8;

/// A name in a directory, and those beside it.
#[derive(Debug)]
pub(super) struct Place {
    directory: OwnedFd,
    name: OsString,
    path: PathBuf,
}

/// The file that is being made.
const NEW: &str = ".new";
/// What an earlier process has left.
const BEFORE: &str = ".before";

impl Place {
    pub(super) fn of(path: &Path) -> Result<Self, StartError> {
        let failed = || StartError::io(format!("write the black box {}", path.display()));
        let name = path.file_name().ok_or_else(|| {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it is not the path of a file");
            failed()(error)
        })?;
        let parent = path.parent().filter(|it| !it.as_os_str().is_empty());
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(parent.unwrap_or(Path::new(".")), flags, Mode::empty());
        Ok(Self {
            directory: directory.map_err(|error| failed()(error.into()))?,
            name: name.to_owned(),
            path: path.to_owned(),
        })
    }

    /// As it was said.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file, and keeps what another process has left there.
    pub(super) fn begin(&self) -> Result<File, StartError> {
        for _ in 0..TRIES {
            if !self.keep_earlier()? {
                continue;
            }
            let file = self.make()?;
            match self.rename(NEW, "", RenameFlags::NOREPLACE) {
                // Not every file system knows that.
                Err(Errno::INVAL) => self.rename(NEW, "", RenameFlags::empty()),
                result => result,
            }
            .map_err(|error| match error {
                // Somebody else was quicker.
                Errno::EXIST | Errno::NOENT => self.in_use(),
                error => self.failed(error.into()),
            })?;
            return Ok(file);
        }
        Err(self.in_use())
    }

    /// A recording with nothing in it yet, which only its user may read. It is locked for as long
    /// as it is open, and does not lie in its place yet.
    pub(super) fn make(&self) -> Result<File, StartError> {
        if let Some(left) = self.look(NEW)? {
            // By a process that was killed.
            if !self.is_free(&left) {
                return Err(self.in_use());
            }
            self.remove(NEW);
        }
        let name = self.beside(NEW);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.directory, &name, flags, Mode::from_raw_mode(0o600));
        let mut file = match file {
            Ok(file) => File::from(file),
            Err(Errno::EXIST) => return Err(self.in_use()),
            Err(error) => return Err(self.failed(error.into())),
        };
        let made = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        let made = made.map_err(io::Error::from);
        match made.and_then(|()| file.write_all(&MAGIC)) {
            Ok(()) => Ok(file),
            Err(error) => {
                self.remove(NEW);
                Err(self.failed(error))
            }
        }
    }

    /// Puts what was made in the place of this one.
    pub(super) fn replace(&self, old: &File) -> io::Result<()> {
        match self.is_at(old)? {
            Some(true) => Ok(self.rename(NEW, "", RenameFlags::empty())?),
            _ => Err(io::Error::other(
                "it was moved, or another file lies in its place",
            )),
        }
    }

    /// Whether it is this file that lies there; `None` if none does.
    pub(super) fn is_at(&self, file: &File) -> io::Result<Option<bool>> {
        let found = rustix::fs::statat(&self.directory, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        let ours = file.metadata()?;
        match found {
            Ok(found) => Ok(Some(
                (found.st_dev, found.st_ino) == (ours.dev(), ours.ino()),
            )),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What was being made is not needed.
    pub(super) fn discard(&self) {
        self.remove(NEW);
    }

    /// Puts aside what an earlier process has written; `false` if somebody else did meanwhile.
    fn keep_earlier(&self) -> Result<bool, StartError> {
        let Some(found) = self.look("")? else {
            return Ok(true);
        };
        if !self.is_free(&found) {
            return Err(self.in_use());
        }
        if !matches!(self.is_at(&found), Ok(Some(true))) {
            return Ok(false);
        }
        let kept = self.look(BEFORE)?;
        if kept.is_some() && span_ns(&found) < SHORT_NS {
            self.remove("");
            return Ok(true);
        }
        let renamed = self.rename("", BEFORE, RenameFlags::empty());
        renamed.map_err(|error| self.failed(error.into()))?;
        Ok(true)
    }

    /// A recording that lies there; an error if it is something else.
    fn look(&self, ending: &str) -> Result<Option<File>, StartError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let name = self.beside(ending);
        let not_ours = || StartError::NotARecording {
            path: self.path.with_file_name(&name),
        };
        let file = match rustix::fs::openat(&self.directory, &name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            // A symbolic link, or a socket.
            Err(Errno::LOOP | Errno::NXIO) => return Err(not_ours()),
            Err(error) => return Err(self.failed(error.into())),
        };
        let mut begin = [0; MAGIC.len()];
        let size = file.metadata().map_or(u64::MAX, |it| match it.is_file() {
            true => it.len(),
            false => u64::MAX,
        });
        // One that was being made, and its process killed.
        let is_begun = ending == NEW && size == 0;
        let is_ours = is_begun
            || size != u64::MAX && file.read_exact_at(&mut begin, 0).is_ok() && begin == MAGIC;
        match is_ours {
            true => Ok(Some(file)),
            false => Err(not_ours()),
        }
    }

    /// Locks it, unless somebody writes to it.
    fn is_free(&self, file: &File) -> bool {
        let locked = rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive);
        // A child that was forked and goes on holds the lock of a parent that is gone.
        locked.is_ok() || writer(file).is_some_and(is_gone)
    }

    fn beside(&self, ending: &str) -> OsString {
        let mut name = self.name.clone();
        name.push(OsStr::new(ending));
        name
    }

    fn rename(&self, from: &str, to: &str, flags: RenameFlags) -> Result<(), Errno> {
        let (from, to) = (self.beside(from), self.beside(to));
        match flags.is_empty() {
            true => rustix::fs::renameat(&self.directory, from, &self.directory, to),
            false => rustix::fs::renameat_with(&self.directory, from, &self.directory, to, flags),
        }
    }

    fn remove(&self, ending: &str) {
        let _ = rustix::fs::unlinkat(&self.directory, self.beside(ending), AtFlags::empty());
    }

    fn in_use(&self) -> StartError {
        StartError::BlackBoxInUse {
            path: self.path.clone(),
        }
    }

    fn failed(&self, error: io::Error) -> StartError {
        StartError::io(format!("write the black box {}", self.path.display()))(error)
    }
}

/// The heads of its blocks, and where each lies, up to where there is none.
fn heads(file: &File) -> impl Iterator<Item = (u64, Head)> + '_ {
    let mut at = MAGIC.len() as u64;
    std::iter::from_fn(move || {
        let mut head = [0; HEAD];
        file.read_exact_at(&mut head, at).ok()?;
        let (begin, head) = (at, Head::read(&head)?);
        at += HEAD as u64 + head.stored() as u64;
        Some((begin, head))
    })
}

/// How much time it covers.
fn span_ns(file: &File) -> u64 {
    let mut heads = heads(file).map(|(_, head)| head);
    let Some(first) = heads.next() else {
        return 0;
    };
    let last_ns = heads.map(|head| head.last_ns).max();
    last_ns
        .unwrap_or(first.last_ns)
        .saturating_sub(first.last_ns)
}

/// The number of the process that has written it.
fn writer(file: &File) -> Option<u32> {
    let (at, head) = heads(file).next()?;
    let mut stored = vec![0; head.stored()];
    file.read_exact_at(&mut stored, at + HEAD as u64).ok()?;
    let content = head.content(&stored).ok()?;
    let first = Pending::entries(&content).next()??;
    match Entry::decode(first).ok()?.told? {
        Told::Server(server) => Some(server.pid),
        _ => None,
    }
}

/// Whether there is no process of that number, where that can be seen.
fn is_gone(pid: u32) -> bool {
    let lives = |pid: &dyn std::fmt::Display| Path::new(&format!("/proc/{pid}")).exists();
    lives(&"self") && !lives(&pid)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use netpoller_proto::recording::Content;
    use netpoller_proto::v1::GetServerResponse;

    use super::*;

    fn place(directory: &Path) -> Place {
        Place::of(&directory.join("box.npl")).unwrap()
    }

    /// Writes that a process of this number was recorded, for so long.
    fn write(file: &mut File, pid: u32, seconds: u64) {
        let server = Told::Server(GetServerResponse {
            pid,
            ..GetServerResponse::default()
        });
        let entry = Entry { told: Some(server) }.encode_to_vec();
        for at_ns in [1, 1 + seconds * 1_000_000_000] {
            let mut pending = Pending::new(Content::Keyframe);
            pending.put(&entry, (at_ns, at_ns));
            let (block, _) = pending.take(Content::Changes).unwrap().unwrap();
            file.write_all(&block).unwrap();
        }
    }

    #[test]
    fn what_an_earlier_process_left_is_kept_and_only_its_user_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(directory.path());
        let before = directory.path().join("box.npl.before");
        // The first is kept however short it was; what is short replaces nothing.
        for (seconds, kept) in [
            (1, None),
            (30, Some(1)),
            (2, Some(30)),
            (20, Some(30)),
            (3, Some(20)),
        ] {
            let mut file = place.begin().unwrap();
            let mode = fs::metadata(place.path()).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let left = File::open(&before)
                .ok()
                .map(|it| span_ns(&it) / 1_000_000_000);
            assert_eq!(left, kept);
            write(&mut file, 1, seconds);
        }
        assert!(!directory.path().join("box.npl.new").exists());
    }

    #[test]
    fn what_somebody_else_writes_or_is_no_recording_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("box.npl");
        let file = place(directory.path()).begin().unwrap();
        let error = place(directory.path()).begin().unwrap_err();
        assert!(matches!(error, StartError::BlackBoxInUse { .. }), "{error}");
        drop(file);
        let in_the_way = |name: &str| directory.path().join(name);
        for ending in ["", ".before", ".new"] {
            let other = in_the_way(&format!("other{ending}"));
            fs::write(&other, "a diary").unwrap();
            let at = Place::of(&in_the_way("other")).unwrap();
            if ending == ".before" {
                fs::write(in_the_way("other"), MAGIC).unwrap();
            }
            let error = at.begin().unwrap_err();
            assert!(
                matches!(&error, StartError::NotARecording { path } if *path == other),
                "{error}"
            );
            assert_eq!(fs::read_to_string(&other).unwrap(), "a diary");
            fs::remove_file(other).unwrap();
            let _ = fs::remove_file(in_the_way("other"));
        }
        std::os::unix::fs::symlink(&path, in_the_way("link")).unwrap();
        let _listener = std::os::unix::net::UnixListener::bind(in_the_way("socket")).unwrap();
        let (kind, mode) = (rustix::fs::FileType::Fifo, Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, in_the_way("fifo"), kind, mode, 0).unwrap();
        fs::create_dir(in_the_way("directory")).unwrap();
        fs::write(in_the_way("empty"), "").unwrap();
        for name in ["link", "socket", "fifo", "directory", "empty"] {
            let error = Place::of(&in_the_way(name)).unwrap().begin().unwrap_err();
            assert!(matches!(error, StartError::NotARecording { .. }), "{error}");
            assert!(in_the_way(name).symlink_metadata().is_ok());
        }
        for nowhere in ["no/box.npl", ".."] {
            let error = Place::of(&in_the_way(nowhere)).unwrap_err();
            assert!(matches!(error, StartError::Io { .. }), "{error}");
        }
    }

    #[test]
    fn what_a_process_left_whose_child_lives_on_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(directory.path());
        let mut file = place.begin().unwrap();
        // No process has that number, and yet it is locked.
        write(&mut file, u32::MAX, 30);
        let next = place.begin().unwrap();
        assert_eq!(place.is_at(&next).unwrap(), Some(true));
        assert_eq!(place.is_at(&file).unwrap(), Some(false));
        drop(next);
        let mut own = place.begin().unwrap();
        write(&mut own, std::process::id(), 30);
        assert!(matches!(
            place.begin().unwrap_err(),
            StartError::BlackBoxInUse { .. }
        ));
    }

    #[test]
    fn what_a_killed_process_was_making_is_made_anew() {
        let directory = tempfile::tempdir().unwrap();
        let place = place(directory.path());
        drop(place.make().unwrap());
        let file = place.begin().unwrap();
        assert_eq!(place.is_at(&file).unwrap(), Some(true));
        fs::write(directory.path().join("box.npl.new"), "").unwrap();
        drop(file);
        place.begin().unwrap();
    }
}
