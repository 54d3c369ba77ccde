//! Go's os/fifo_test.go: FIFOs, and the hunt for events that reach the wrong descriptor.

use std::os::fd::AsRawFd;
use std::pin::pin;

use netpoller::driver::ThreadDriver;
use netpoller::pipe::{PipeReader, PipeWriter};
use netpoller::pollable::Pollable;
use netpoller::{Counter, Poller, block_on};
use netpoller_tests::{Lane, is_parked, run};

use super::support::{Broken, broken, broken_pipe, fifo, is_nonblocking};

/// Opens and closes what has nothing but errors to tell of, `attempts` times, while as many FIFOs
/// take over its slots.
fn hunt(attempts: usize, make: fn() -> Broken) {
    let poller = Poller::global();
    // Somebody else fetches the events, so that they are in flight while their descriptors come and
    // go.
    let _driver = ThreadDriver::start(poller).unwrap();
    let errors = Lane::start(move || {
        for _ in 0..attempts {
            drop(Pollable::new(make().file).unwrap());
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let path = fifo(&dir, "fifo");
    block_on(async {
        for attempt in 0..attempts {
            let reader = PipeReader::open(&path).unwrap();
            let writer = PipeWriter::open(&path).unwrap();
            writer.write_all(b"message").await.unwrap();
            let mut buf = [0; 7];
            match reader.read(&mut buf).await {
                Ok(n) => assert_eq!((n, &buf), (7, b"message"), "attempt {attempt}"),
                Err(error) => panic!("attempt {attempt}: the error of another descriptor: {error}"),
            }
        }
    });
    errors.join();
}

/// Go os/fifo_test.go TestNonPollable (golang/go#59545): an error that was on its way to a
/// descriptor when that was closed does not reach its successor.
#[test]
fn non_pollable() {
    hunt(20_000, broken);
    hunt(2_000, broken_pipe);
    let errors = Poller::global().stats().counter(Counter::EventErrSet);
    assert!(errors > 0, "there was nothing to hunt for");
}

/// Go os/fifo_test.go TestOpenFileNonBlocking, TestNewFileNonBlocking: a FIFO is opened
/// non-blocking, and stays so when its number is asked for.
#[test]
fn open_file_non_blocking() {
    let dir = tempfile::tempdir().unwrap();
    let path = fifo(&dir, "fifo");
    let reader = PipeReader::open(&path).unwrap();
    let writer = PipeWriter::open(&path).unwrap();
    assert!(is_nonblocking(&reader) && is_nonblocking(&writer));
    let number = reader.as_raw_fd();
    let duplicate = reader.duplicate().unwrap();
    assert!(is_nonblocking(&reader) && is_nonblocking(&duplicate));
    assert_eq!(reader.as_raw_fd(), number);
    let resilient = PipeReader::open_resilient(&path).unwrap();
    assert!(is_nonblocking(&resilient));
    let owned = reader.into_owned_fd().unwrap();
    assert_eq!(owned.as_raw_fd(), number);
    assert!(is_nonblocking(&owned));
}

/// Go os/fifo_test.go TestFIFONonBlockingEOF (golang/go#66239): the writer goes while the reader
/// waits, after it has read all.
#[test]
fn fifo_non_blocking_eof() {
    run(async |_| {
        let dir = tempfile::tempdir().unwrap();
        let path = fifo(&dir, "issue-66239-fifo");
        let reader = PipeReader::open(&path).unwrap();
        let writer = PipeWriter::open(&path).unwrap();
        writer.write_all(b"Hello Gophers!").await.unwrap();
        let mut buf = [0; 14];
        assert_eq!(reader.read(&mut buf).await.unwrap(), 14);
        {
            let mut read = pin!(reader.read(&mut buf));
            assert!(is_parked(&mut read).await);
            drop(writer);
            assert_eq!(read.await.unwrap(), 0);
        }
        assert_eq!(reader.read(&mut buf).await.unwrap(), 0);
        // And for the next writer it is a stream again, unless the end is asked for first.
        let writer = PipeWriter::open(&path).unwrap();
        writer.write_all(b"again").await.unwrap();
        assert_eq!(reader.read(&mut buf).await.unwrap(), 5);
    });
}
