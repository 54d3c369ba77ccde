//! Go's os/pipe_test.go, os/timeout_test.go and os_unix_test.go: pipes that others have made, or
//! make blocking.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use netpoller::net::{UnixDatagram, UnixSeqpacket};
use netpoller::pipe::{PipeReader, PipeWriter, pipe};
use netpoller::pollable::Pollable;
use netpoller::{Error, Poller, block_on, block_on_poller};
use netpoller_tests::interrupt::this_thread;
use netpoller_tests::{
    Lane, assert_closed, assert_errno, errno, is_parked, new_poller, run, tcp_pair, unix_pair,
    until,
};

use super::support::{in_a_process, is_nonblocking, let_sigpipe_kill, set_blocking, waits_in_read};

/// A pipe of std's, blocking or not, ours to take over.
fn std_pipe(blocking: bool) -> (OwnedFd, OwnedFd) {
    let (reader, writer) = std::io::pipe().unwrap();
    let ends = (OwnedFd::from(reader), OwnedFd::from(writer));
    if !blocking {
        for end in [&ends.0, &ends.1] {
            socket2::SockRef::from(end).set_nonblocking(true).unwrap();
        }
    }
    ends
}

/// Go os/pipe_test.go TestStdPipe, for a library: a peer that is gone is EPIPE on every kind of
/// socket and for every way to write, even in a process that SIGPIPE would end.
#[test]
fn std_pipe_a_library_does_not_end_its_process() {
    const NAME: &str = "go_os_pipe::std_pipe_a_library_does_not_end_its_process";
    let output = in_a_process(NAME, || {
        let_sigpipe_kill();
        let bufs = [std::io::IoSlice::new(b"x"), std::io::IoSlice::new(b"y")];
        run(async move |poller: Poller| {
            macro_rules! check_stream {
                ($pair:expr) => {{
                    let (a, b) = $pair;
                    drop(b);
                    // The first bytes may still find a buffer, and bring the reset.
                    while a.write(b"x").await.is_ok() {}
                    assert_errno(a.write(b"x").await, libc::EPIPE);
                    assert_errno(a.write_vectored(&bufs).await, libc::EPIPE);
                    let error = a.write_all(b"x").await.unwrap_err();
                    assert_eq!(errno(&error.into()), Some(libc::EPIPE));
                }};
            }
            check_stream!(tcp_pair(&poller));
            check_stream!(unix_pair(&poller));
            let (a, b) = UnixSeqpacket::pair().unwrap();
            drop(b);
            assert_errno(a.send(b"x").await, libc::EPIPE);
            assert_errno(a.send_message(&bufs, &[]).await, libc::EPIPE);
            let (a, b) = UnixDatagram::pair().unwrap();
            drop(b);
            assert!(a.send(b"x").await.is_err());
        });
    });
    let Some(output) = output else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {text}", output.status);
    assert!(text.contains("1 passed"), "{text}");
}

/// Go os/pipe_test.go TestStdPipe: pipes have no flag against SIGPIPE. Rust programs ignore the
/// signal; where it was let in again, it ends the process, as `PipeWriter` says.
#[test]
fn std_pipe_a_signal_that_was_asked_for_comes() {
    const NAME: &str = "go_os_pipe::std_pipe_a_signal_that_was_asked_for_comes";
    let output = in_a_process(NAME, || {
        let_sigpipe_kill();
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let _ = block_on(writer.write(b"x"));
        unreachable!("the signal has ended this process");
    });
    let Some(output) = output else { return };
    assert_eq!(output.status.signal(), Some(libc::SIGPIPE));
}

/// Go os/pipe_test.go TestReadNonblockingFd: a read of a descriptor that was non-blocking already
/// waits for data; in Go it says EAGAIN so far.
#[test]
fn read_nonblocking_fd() {
    run(async |_| {
        let (reader, writer) = std_pipe(false);
        let reader = PipeReader::from_owned_fd(reader).unwrap();
        let writer = PipeWriter::from_owned_fd(writer).unwrap();
        let mut buf = [0; 8];
        let mut read = pin!(reader.read(&mut buf));
        assert!(is_parked(&mut read).await);
        writer.write_all(b"x").await.unwrap();
        assert_eq!(read.await.unwrap(), 1);
    });
}

/// Go os/pipe_test.go TestCloseWithBlockingReadByNewFile: a descriptor in blocking mode is taken
/// over as one that is not, so close ends its read at once. In Go that read goes on.
#[test]
fn close_with_blocking_read_by_new_file() {
    run(async |_| {
        let (reader, writer) = std_pipe(true);
        let reader = PipeReader::from_owned_fd(reader).unwrap();
        let mut buf = [0; 1];
        let mut read = pin!(reader.read(&mut buf));
        assert!(is_parked(&mut read).await);
        let closing = reader.close().unwrap();
        assert_closed(read.await);
        closing.await;
        drop(writer);
    });
}

/// Go os/pipe_test.go TestCloseWithBlockingReadByFd: somebody with a duplicate has made the pipe
/// blocking, and a read sits in the kernel. Close returns all the same; only the future that it
/// gives waits for the read, which ends with the pipe.
#[test]
fn close_with_blocking_read_by_fd() {
    run(async |_| {
        let (reader, writer) = pipe().unwrap();
        let reader = Arc::new(reader);
        set_blocking(&reader.duplicate().unwrap());
        let thread = Arc::new(AtomicI32::new(0));
        let reading = Lane::start({
            let (reader, thread) = (reader.clone(), thread.clone());
            move || {
                thread.store(this_thread(), Ordering::Release);
                block_on(reader.read(&mut [0; 1]))
            }
        });
        until("the read sits in the kernel", || {
            let thread = thread.load(Ordering::Acquire);
            thread != 0 && waits_in_read(thread)
        });
        let mut closing = pin!(reader.close().unwrap());
        assert!(is_parked(&mut closing).await, "a read is under way");
        assert!(!reading.is_finished());
        assert_closed(reader.read(&mut [0; 1]).await);
        writer.close().unwrap().await;
        assert_eq!(reading.join().unwrap(), 0, "the end");
        closing.await;
    });
}

/// Go os/pipe_test.go TestFdRace: a hundred threads ask for the number, duplicates and flags of one
/// pipe at once.
#[test]
fn fd_race() {
    let (reader, writer) = pipe().unwrap();
    let number = writer.as_raw_fd();
    std::thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                assert_eq!(writer.as_raw_fd(), number);
                let duplicate = writer.duplicate().unwrap();
                assert_ne!(duplicate.as_raw_fd(), number);
                assert!(is_nonblocking(&duplicate));
            });
        }
    });
    block_on(async {
        writer.write_all(b"x").await.unwrap();
        assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 1);
    });
}

/// Go os/pipe_test.go TestFdReadRace: who asks for the number, or a duplicate, does not wait for
/// the read that is going on, and does not disturb it.
#[test]
fn fd_read_race() {
    run(async |poller: Poller| {
        let (reader, writer) = pipe().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        reader.set_read_deadline(Some(deadline)).unwrap();
        let reader = Arc::new(reader);
        let reading = Lane::block_on(&poller, {
            let reader = reader.clone();
            move || async move { reader.read(&mut [0; 10]).await }
        });
        until("the reader waits", || poller.waiters() == 1);
        let asking = Lane::start({
            let reader = reader.clone();
            move || (reader.as_raw_fd(), reader.duplicate().unwrap())
        });
        asking.join();
        assert!(!reading.is_finished());
        writer.write_all(b"0123456789").await.unwrap();
        assert_eq!(reading.join().unwrap(), 10);
    });
}

/// What ten threads do to one buffer each while deadlines end their operations.
fn ten_threads(work: impl Fn() + Send + Sync + 'static) {
    let work = Arc::new(work);
    let lanes: Vec<_> = (0..10)
        .map(|_| {
            let work = work.clone();
            Lane::start(move || (0..100).for_each(|_| work()))
        })
        .collect();
    lanes.into_iter().for_each(Lane::join);
}

fn in_a_millisecond() -> Option<Instant> {
    Some(Instant::now() + Duration::from_millis(1))
}

#[track_caller]
fn is_timeout(error: &std::io::Error) {
    assert_eq!(Error::of(error), Some(Error::DeadlineExceeded), "{error}");
}

/// Go os/timeout_test.go TestRacyRead: a read that timed out has put nothing into its buffer, and
/// puts nothing there later.
macro_rules! racy_read {
    ($pair:expr) => {{
        let poller = new_poller();
        let (reader, writer) = $pair(&poller);
        let writing = Lane::block_on(&poller, move || async move {
            while writer.write(&[1; 1024]).await.is_ok() {}
        });
        reader.set_read_deadline(in_a_millisecond()).unwrap();
        let reader = Arc::new(reader);
        let ours = reader.clone();
        ten_threads(move || {
            let mut buf = [2; 1024];
            match block_on_poller(&poller, reader.read(&mut buf)) {
                Ok(n) => assert!(n > 0 && buf[..n].iter().all(|byte| *byte == 1)),
                Err(error) => {
                    is_timeout(&error);
                    reader.set_read_deadline(in_a_millisecond()).unwrap();
                    assert_eq!(buf, [2; 1024]);
                }
            }
        });
        drop(ours);
        writing.join();
    }};
}

/// Go os/timeout_test.go TestRacyWrite: what a write has not sent when it timed out is not sent
/// later, whatever becomes of its buffer.
macro_rules! racy_write {
    ($pair:expr) => {{
        let poller = new_poller();
        let (reader, writer) = $pair(&poller);
        let reading = Lane::block_on(&poller, move || async move {
            let (mut buf, mut received) = ([0; 4096], 0);
            loop {
                match reader.read(&mut buf).await.unwrap() {
                    0 => return received,
                    n => {
                        assert!(
                            buf[..n].iter().all(|byte| *byte == 1),
                            "only what was written"
                        );
                        received += n;
                    }
                }
            }
        });
        writer.set_write_deadline(in_a_millisecond()).unwrap();
        let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        ten_threads({
            let sent = sent.clone();
            move || {
                let mut buf = [1; 1024];
                let result = block_on_poller(&poller, writer.write(&buf));
                buf.fill(2);
                std::hint::black_box(&buf);
                match result {
                    Ok(n) => drop(sent.fetch_add(n, Ordering::Relaxed)),
                    Err(error) => {
                        is_timeout(&error);
                        writer.set_write_deadline(in_a_millisecond()).unwrap();
                    }
                }
            }
        });
        assert_eq!(reading.join(), sent.load(Ordering::Relaxed));
    }};
}

/// Go os/timeout_test.go TestRacyRead, over pipes, TCP and Unix sockets.
#[test]
fn racy_read() {
    racy_read!(|poller: &Poller| poller.in_scope(|| pipe()).unwrap());
    racy_read!(tcp_pair);
    racy_read!(unix_pair);
}

/// Go os/timeout_test.go TestRacyWrite, over pipes, TCP and Unix sockets.
#[test]
fn racy_write() {
    racy_write!(|poller: &Poller| poller.in_scope(|| pipe()).unwrap());
    racy_write!(tcp_pair);
    racy_write!(unix_pair);
}

/// Go os/os_unix_test.go TestNewFileBlock, TestNewFileNonBlock: what is taken over does not block,
/// whatever it did before, and is given back so; what cannot be registered keeps its mode.
#[test]
fn new_file_block_and_non_block() {
    for blocking in [true, false] {
        let (reader, writer) = std_pipe(blocking);
        assert_eq!(is_nonblocking(&reader), !blocking);
        let reader = PipeReader::from_owned_fd(reader).unwrap();
        assert!(is_nonblocking(&reader));
        assert!(is_nonblocking(&reader.into_owned_fd().unwrap()));
        let writer = Pollable::new(writer).unwrap();
        assert!(is_nonblocking(writer.get_ref()));
        assert!(is_nonblocking(&writer.into_inner()));
    }
    let file = Pollable::new_or_plain(tempfile::tempfile().unwrap()).unwrap();
    assert!(!is_nonblocking(file.get_ref()));
}

/// Go os/pipe_test.go TestClosedPipeRaceRead, TestClosedPipeRaceWrite, many times over: close and
/// operation begin at once.
#[test]
fn closed_pipe_race() {
    for round in 0..200 {
        let (reader, writer) = pipe().unwrap();
        let (reader, writer) = (Arc::new(reader), Arc::new(writer));
        let write = round % 2 == 0;
        let started = Arc::new(AtomicBool::new(false));
        let lane = Lane::start({
            let (reader, writer, started) = (reader.clone(), writer.clone(), started.clone());
            move || {
                started.store(true, Ordering::Release);
                if write {
                    block_on(writer.write_all(&[0; 1 << 20])).map_err(std::io::Error::from)
                } else {
                    block_on(reader.read(&mut [0])).map(drop)
                }
            }
        });
        until("it has started", || started.load(Ordering::Acquire));
        if write {
            writer.close().unwrap();
        } else {
            reader.close().unwrap();
        }
        assert_closed(lane.join());
    }
}
