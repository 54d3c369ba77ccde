//! Futures that wait to write, each at a line that it notes in the line before.

use std::future::pending;
use std::io;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
use tokio::time::timeout;

use crate::ends::Writes;
use crate::home::Lent;
use crate::reads::LONG;
use crate::waiter::Note;

/// More than fits anywhere.
const MUCH: usize = 1 << 20;

fn much() -> Vec<u8> {
    vec![0; MUCH]
}

pub async fn all<S: Writes>(note: Note, mut to: Lent<S>) {
    let bytes = much();
    note.next();
    drop(to.write_all(&bytes).await);
}

pub async fn nested<S: Writes>(note: Note, mut to: Lent<S>) {
    note.calls();
    drop(nested_in(&note, &mut *to).await);
}

async fn nested_in<S: Writes>(note: &Note, to: &mut S) -> io::Result<()> {
    let bytes = much();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        note.next();
        let written = to.write(rest).await?;
        rest = &rest[written..];
    }
    Ok(())
}

pub async fn in_time<S: Writes>(note: Note, mut to: Lent<S>) {
    let bytes = much();
    note.next();
    drop(timeout(LONG, to.write_all(&bytes)).await);
}

pub async fn selected<S: Writes>(note: Note, mut to: Lent<S>) {
    let bytes = much();
    note.next();
    tokio::select! {
        written = to.write_all(&bytes) => drop(written),
        () = pending() => (),
    }
}

pub async fn buffered<S: Writes>(note: Note, mut to: Lent<S>) {
    let mut writer = BufWriter::with_capacity(MUCH + 1, &mut *to);
    if writer.write_all(&much()).await.is_ok() {
        note.next();
        drop(writer.flush().await);
    }
}

pub async fn copied<S: Writes>(note: Note, mut to: Lent<S>) {
    let mut from = tokio::io::repeat(0).take(MUCH as u64);
    note.next();
    drop(tokio::io::copy(&mut from, &mut *to).await);
}

// In the list.

/// Writes until no more fits. It is false if that fails.
fn fill(to: &impl Writes) -> bool {
    let bytes = much();
    loop {
        if let Err(error) = to.try_write(&bytes) {
            return error.kind() == io::ErrorKind::WouldBlock;
        }
    }
}

pub async fn writable<S: Writes>(note: Note, to: Arc<S>) {
    if fill(&*to) {
        note.next();
        drop(to.writable().await);
    }
}

pub async fn tries<S: Writes>(note: Note, to: Arc<S>) {
    let bytes = much();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        match to.try_write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return,
            Err(_) => {
                note.next();
                if to.writable().await.is_err() {
                    return;
                }
            }
        }
    }
}
