//! Futures that wait to read, each at a line that it notes in the line before.

use std::future::{Future, pending, poll_fn, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Interest, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::ends::{Reads, Source};
use crate::home::Lent;
use crate::waiter::Note;

/// Longer than anything lasts here.
pub const LONG: Duration = Duration::from_secs(3600);

// In the slot: whoever has it alone, and polls.

pub async fn read<S: Reads>(note: Note, mut from: Lent<S>) {
    let mut into = [0; 4096];
    note.next();
    drop(from.read(&mut into).await);
}

/// Waits at one line again and again, as long as it is told to.
pub async fn repeated<S: Reads>(note: Note, mut from: Lent<S>) {
    let mut into = [0; 4096];
    loop {
        note.next();
        let read = from.read(&mut into).await;
        if read.is_err() || !note.goes_on() {
            return;
        }
    }
}

/// A future that is no `async fn`.
pub fn block<S: Reads>(note: Note, mut from: Lent<S>) -> impl Future<Output = ()> + Send {
    async move {
        let mut into = vec![0; 4096];
        note.next();
        drop(from.read(&mut into).await);
    }
}

pub struct Reader<S: Reads> {
    pub from: Lent<S>,
    pub note: Note,
}

impl<S: Reads> Reader<S> {
    pub async fn run(mut self) {
        let mut into = [0; 64];
        self.note.next();
        drop(self.from.read(&mut into).await);
    }
}

pub async fn nested<S: Reads>(note: Note, mut from: Lent<S>) {
    note.calls();
    let read = nested_in(&note, &mut *from).await;
    drop(read);
}

async fn nested_in<S: Reads>(note: &Note, from: &mut S) -> io::Result<u64> {
    let header = [0_u8; 16];
    note.calls();
    let length = innermost(note, from).await?;
    Ok(length as u64 + u64::from(header[0]))
}

async fn innermost<S: Reads>(note: &Note, from: &mut S) -> io::Result<usize> {
    let mut into = [0; 128];
    note.next();
    from.read(&mut into).await
}

pub async fn in_time<S: Reads>(note: Note, mut from: Lent<S>) {
    let mut into = [0; 4096];
    note.next();
    drop(timeout(LONG, from.read(&mut into)).await);
}

/// Of a future of this program, which awaits in its turn.
pub async fn nested_in_time<S: Reads>(note: Note, mut from: Lent<S>) {
    note.calls();
    drop(timeout(LONG, innermost(&note, &mut *from)).await);
}

pub async fn selected<S: Reads>(note: Note, mut from: Lent<S>) {
    let mut into = [0; 4096];
    note.next();
    tokio::select! {
        read = from.read(&mut into) => drop(read),
        () = pending() => (),
    }
}

/// Of a future of this program in one of several branches.
pub async fn nested_selected<S: Reads>(note: Note, mut from: Lent<S>) {
    note.calls();
    tokio::select! {
        read = innermost(&note, &mut *from) => drop(read),
        () = pending() => (),
    }
}

/// The same, of several at once.
pub async fn joined<S: Reads>(note: Note, mut from: Lent<S>) {
    note.calls();
    let (read, ()) = tokio::join!(innermost(&note, &mut *from), ready(()));
    drop(read);
}

pub async fn boxed<S: Reads>(note: Note, mut from: Lent<S>) {
    type Boxed<'a> = Pin<Box<dyn Future<Output = io::Result<usize>> + Send + 'a>>;
    let inner: Boxed<'_> = Box::pin(innermost(&note, &mut *from));
    note.calls();
    drop(inner.await);
}

pub async fn exact<S: Reads>(note: Note, mut from: Lent<S>) {
    let mut into = [0; 1];
    note.next();
    drop(from.read_exact(&mut into).await);
}

pub async fn line<S: Reads>(note: Note, mut from: Lent<S>) {
    let mut reader = BufReader::new(&mut *from);
    let mut line = Vec::new();
    note.next();
    drop(reader.read_until(0, &mut line).await);
}

/// Begins to read, and then awaits something else: until what it has left in the slot wakes it.
pub async fn registered<S: Reads>(note: Note, mut from: Lent<S>) {
    let mut into = [0; 4096];
    tokio::select! {
        biased;
        _ = from.read(&mut into) => return,
        () = ready(()) => (),
    }
    note.next();
    until_woken().await;
}

fn until_woken() -> impl Future<Output = ()> + Send {
    let mut polls = 0;
    poll_fn(move |_| {
        polls += 1;
        match polls {
            1 => Poll::Pending,
            _ => Poll::Ready(()),
        }
    })
}

pub async fn poll_ready(note: Note, from: Arc<TcpStream>) {
    rest(&*from);
    note.next();
    drop(poll_fn(|context| from.poll_read_ready(context)).await);
}

// In the list: who awaits that something is there.

/// Reads what there is, so that nothing is.
fn rest(from: &impl Source) {
    while from.try_read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
}

pub async fn readable<S: Source>(note: Note, from: Arc<S>) {
    rest(&*from);
    note.next();
    drop(from.readable().await);
}

pub async fn tries<S: Source>(note: Note, from: Arc<S>) {
    loop {
        let read = from.try_read(&mut [0; 64]);
        if !read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            return;
        }
        note.next();
        if from.readable().await.is_err() {
            return;
        }
    }
}

pub async fn repeatedly_readable<S: Source>(note: Note, from: Arc<S>) {
    loop {
        rest(&*from);
        note.next();
        let result = from.readable().await;
        if result.is_err() || !note.goes_on() {
            return;
        }
    }
}

pub async fn interested(note: Note, from: Arc<TcpStream>) {
    rest(&*from);
    note.next();
    drop(from.ready(Interest::READABLE).await);
}

pub async fn async_io(note: Note, from: Arc<TcpStream>) {
    rest(&*from);
    let mut into = [0; 64];
    let read = from.async_io(Interest::READABLE, || from.try_read(&mut into));
    note.next();
    drop(read.await);
}

// Datagrams.

pub async fn receive_from(note: Note, from: Arc<UdpSocket>) {
    let mut into = [0; 64];
    note.next();
    drop(from.recv_from(&mut into).await);
}

pub async fn receive(note: Note, from: Arc<UdpSocket>) {
    note.calls();
    receive_in(&note, &from).await;
}

async fn receive_in(note: &Note, from: &UdpSocket) {
    let mut into = [0; 64];
    note.next();
    drop(from.recv(&mut into).await);
}

pub async fn receive_in_time(note: Note, from: Arc<UdpSocket>) {
    let mut into = [0; 64];
    note.next();
    drop(timeout(LONG, from.recv_from(&mut into)).await);
}

pub async fn receive_selected(note: Note, from: Arc<UdpSocket>) {
    let mut into = [0; 64];
    note.next();
    tokio::select! {
        () = pending() => (),
        read = from.recv_from(&mut into) => drop(read),
    }
}

pub async fn receive_boxed(note: Note, from: Arc<UdpSocket>) {
    let inner: Pin<Box<dyn Future<Output = ()> + Send + '_>> = Box::pin(receive_in(&note, &from));
    note.calls();
    inner.await;
}

pub async fn poll_receive(note: Note, from: Arc<UdpSocket>) {
    let mut into = [0; 64];
    let received = poll_fn(|context| from.poll_recv(context, &mut ReadBuf::new(&mut into)));
    note.next();
    drop(received.await);
}

/// As `registered`.
pub async fn receive_registered(note: Note, from: Arc<UdpSocket>) {
    let mut into = [0; 64];
    let mut into = ReadBuf::new(&mut into);
    let polled = poll_fn(|context| Poll::Ready(from.poll_recv(context, &mut into)));
    if polled.await.is_ready() {
        return;
    }
    note.next();
    until_woken().await;
}
