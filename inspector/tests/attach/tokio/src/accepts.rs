//! Futures that wait for a connection, each at a line that it notes in the line before.

use std::future::{pending, poll_fn};
use std::io;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::reads::LONG;
use crate::waiter::Note;

pub async fn accept(note: Note, at: Arc<TcpListener>) {
    note.next();
    drop(at.accept().await);
}

pub async fn nested(note: Note, at: Arc<TcpListener>) {
    note.calls();
    drop(accept_in(&note, &at).await);
}

async fn accept_in(note: &Note, at: &TcpListener) -> io::Result<TcpStream> {
    note.next();
    let (stream, _) = at.accept().await?;
    Ok(stream)
}

pub async fn repeated(note: Note, at: Arc<TcpListener>) {
    loop {
        note.next();
        let accepted = at.accept().await;
        if accepted.is_err() || !note.goes_on() {
            return;
        }
    }
}

pub async fn in_time(note: Note, at: Arc<TcpListener>) {
    note.next();
    drop(timeout(LONG, at.accept()).await);
}

pub async fn selected(note: Note, at: Arc<TcpListener>) {
    note.next();
    tokio::select! {
        accepted = at.accept() => drop(accepted),
        () = pending() => (),
    }
}

/// In the slot.
pub async fn poll_accept(note: Note, at: Arc<TcpListener>) {
    note.next();
    drop(poll_fn(|context| at.poll_accept(context)).await);
}
