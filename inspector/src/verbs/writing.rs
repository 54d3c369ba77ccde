//! Writing what goes on to a file, until somebody asks to end.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;
use crate::source::Target;

/// Makes the file; one that is there already only by force, and never the recording that is read.
pub(super) fn create(path: &Path, force: bool, read: &Target) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    match force {
        // What is there is cut when it is known what it is.
        true => options.create(true).truncate(false),
        false => options.create_new(true),
    };
    let name = path.display();
    let failed = |error: io::Error| Failure::Runtime(format!("creating {name}: {error}"));
    let file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Usage(format!(
            "there is a file {name} already: name another one, or say --force to write over it"
        )),
        _ => failed(error),
    })?;
    let there = file.metadata().map_err(failed)?;
    if let Target::File(recorded) = read {
        let place = |it: &Metadata| (it.dev(), it.ino());
        let recording = fs::metadata(&recorded.path);
        if recording.is_ok_and(|it| place(&it) == place(&there)) {
            return Err(Failure::Usage(format!(
                "{name} is the recording that is read: name another file"
            )));
        }
    }
    if there.is_file() {
        file.set_len(0).map_err(failed)?;
    }
    Ok(file)
}

/// Leaves no file in which there is nothing to look at. A device is left, and what a link leads to;
/// an error of this says no more than the failure.
pub(super) fn discard(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|it| it.is_file()) {
        let _ = fs::remove_file(path);
    }
}

/// Why there is no more to write.
pub(super) enum Stopped {
    /// It cannot be written.
    File(io::Error),
    /// Nothing more is told.
    Process(Failure),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Process(failure)
    }
}

/// Why it has ended, in a line, and the failure that it was if it was one; an error if it could not
/// be written.
pub(super) fn ended(
    result: Result<&'static str, Stopped>,
    failed: impl FnOnce(io::Error) -> Failure,
) -> Result<(String, Option<Failure>), Failure> {
    match result {
        Ok(why) => Ok((why.to_owned(), None)),
        Err(Stopped::File(error)) => Err(failed(error)),
        Err(Stopped::Process(failure)) => {
            let said = failure.to_string();
            let first = said.lines().next().unwrap_or_default().to_owned();
            Ok((first, Some(failure)))
        }
    }
}

/// What asks to end.
pub(super) struct Signals([Signal; 3]);

impl Signals {
    /// Catches them from here on.
    pub(super) fn catch() -> Result<Self, Failure> {
        let of = |kind| {
            signal(kind).map_err(|error| Failure::Runtime(format!("catching signals: {error}")))
        };
        Ok(Self([
            of(SignalKind::interrupt())?,
            of(SignalKind::terminate())?,
            of(SignalKind::hangup())?,
        ]))
    }

    pub(super) async fn next(&mut self) {
        let [first, second, third] = &mut self.0;
        tokio::select! {
            _ = first.recv() => {}
            _ = second.recv() => {}
            _ = third.recv() => {}
        }
    }
}
