//! Writing what goes on to a file, until somebody asks to end.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Makes the file; one that is there already only by force.
pub(super) fn create(path: &Path, force: bool) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    match force {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    let name = path.display();
    options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::Usage(format!(
            "there is a file {name} already: name another one, or say --force to write over it"
        )),
        _ => Failure::Runtime(format!("creating {name}: {error}")),
    })
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
