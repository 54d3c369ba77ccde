//! os/pipe_test.go and os/fifo_test.go.

use std::pin::pin;

use netpoller::block_on;
use netpoller::net::UnixStream;
use netpoller::pipe::{PipeReader, PipeWriter, pipe};
use netpoller_tests::{
    Lane, assert_blocked, assert_closed, assert_errno, full, is_parked, new_poller, run,
};

/// TestEPIPE: a write without a reader fails, each time.
#[test]
fn epipe() {
    run(async |_| {
        let (reader, writer) = pipe().unwrap();
        reader.close().unwrap().await;
        for _ in 0..3 {
            assert_errno(writer.write(b"hi").await, libc::EPIPE);
        }
    });
}

/// Oracle script 32 and semantics 24, 25: the reader goes while the pipe is full, which the kernel
/// tells with nothing but EPOLLERR.
#[test]
fn a_write_that_waits_in_a_full_pipe_ends_when_the_reader_goes() {
    run(async |poller| {
        let (reader, writer) = pipe().unwrap();
        let all = full();
        let mut write = pin!(writer.write_all(&all));
        assert!(is_parked(&mut write).await);
        let mut some = vec![0; 65_536];
        let n = reader.read(&mut some).await.unwrap();
        assert!(n > 0);
        assert_blocked(&poller, &mut write).await;
        drop(reader);
        let error = write.await.unwrap_err();
        assert!(error.written() >= n);
        assert_errno::<()>(Err(error.into()), libc::EPIPE);
    });
}

/// TestClosedPipeRaceRead, TestClosedPipeRaceWrite: close during an operation that waits on another
/// thread.
#[test]
fn closed_pipe_race_read_and_write() {
    run(async |_| {
        for write in [false, true] {
            let (reader, writer) = pipe().unwrap();
            let (reader, writer) = (std::sync::Arc::new(reader), std::sync::Arc::new(writer));
            let lane = Lane::start({
                let (reader, writer) = (reader.clone(), writer.clone());
                move || {
                    if write {
                        block_on(writer.write_all(&full())).map_err(std::io::Error::from)
                    } else {
                        block_on(reader.read(&mut [0])).map(drop)
                    }
                }
            });
            // No order is needed: whichever comes first, the operation must end.
            std::thread::yield_now();
            if write {
                writer.close().unwrap().await;
            } else {
                reader.close().unwrap().await;
            }
            assert_closed(lane.join());
        }
    });
}

/// TestPipeEOF: line by line while the reader is parked, then the end.
#[test]
fn pipe_eof() {
    run(async |_| {
        let (reader, writer) = pipe().unwrap();
        let mut buf = [0; 64];
        for _ in 0..3 {
            let mut read = pin!(reader.read(&mut buf));
            assert!(is_parked(&mut read).await);
            writer.write_all(b"line\n").await.unwrap();
            assert_eq!(read.await.unwrap(), 5);
        }
        {
            let mut read = pin!(reader.read(&mut buf));
            assert!(is_parked(&mut read).await);
            drop(writer);
            assert_eq!(read.await.unwrap(), 0);
        }
        assert_eq!(
            reader.read(&mut buf).await.unwrap(),
            0,
            "the end stays the end"
        );
    });
}

fn fifo(dir: &tempfile::TempDir) -> std::path::PathBuf {
    let path = dir.path().join("fifo");
    let made = std::process::Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    path
}

#[test]
fn what_is_opened_or_taken_over_in_the_scope_of_a_poller_belongs_to_it() {
    run(async |_| {
        let poller = new_poller();
        let dir = tempfile::tempdir().unwrap();
        let path = fifo(&dir);
        let reader = poller.in_scope(|| PipeReader::open(&path)).unwrap();
        let writer = poller.in_scope(|| PipeWriter::open(&path)).unwrap();
        let resilient = poller
            .in_scope(|| PipeReader::open_resilient(&path))
            .unwrap();
        let copies = (reader.duplicate().unwrap(), writer.duplicate().unwrap());
        let reader_too = poller
            .in_scope(|| PipeReader::from_owned_fd(copies.0))
            .unwrap();
        let writer_too = poller
            .in_scope(|| PipeWriter::from_owned_fd(copies.1))
            .unwrap();
        let (a, _b) = std::os::unix::net::UnixStream::pair().unwrap();
        let stream = poller.in_scope(|| UnixStream::from_std(a)).unwrap();

        let rows = poller.rows();
        let here = |id: netpoller::DescId| rows.iter().any(|row| row.id() == id);
        assert!(here(reader.id()) && here(writer.id()) && here(resilient.id()));
        assert!(here(reader_too.id()) && here(writer_too.id()) && here(stream.id()));
        assert_eq!(rows.len(), 6, "all of them, and nothing else");

        writer_too.write_all(b"x").await.unwrap();
        assert_eq!(reader_too.read(&mut [0; 8]).await.unwrap(), 1);
    });
}

/// TestFifoEOF: the end comes when the writer goes, and a resilient reader waits for the next one
/// instead.
#[test]
fn fifo_eof() {
    run(async |poller| {
        let dir = tempfile::tempdir().unwrap();
        let path = fifo(&dir);
        let error = PipeWriter::open(&path).unwrap_err();
        assert!(
            error.to_string().contains("fifo"),
            "names the path: {error}"
        );
        assert_errno::<()>(Err(error), libc::ENXIO);

        let reader = PipeReader::open(&path).unwrap();
        let writer = PipeWriter::open(&path).unwrap();
        let mut buf = [0; 64];
        {
            let mut read = pin!(reader.read(&mut buf));
            assert!(is_parked(&mut read).await);
            writer.write_all(b"data").await.unwrap();
            assert_eq!(read.await.unwrap(), 4);
        }
        drop(writer);
        assert_eq!(reader.read(&mut buf).await.unwrap(), 0);
        drop(reader);

        let reader = PipeReader::open_resilient(&path).unwrap();
        drop(PipeWriter::open(&path).unwrap());
        let mut read = pin!(reader.read(&mut buf));
        assert_blocked(&poller, &mut read).await;
        PipeWriter::open(&path)
            .unwrap()
            .write_all(b"next")
            .await
            .unwrap();
        assert_eq!(read.await.unwrap(), 4);
    });
}

/// What is not a FIFO is refused, with its path.
#[test]
fn open_of_what_is_no_fifo_names_the_path() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = PipeReader::open(file.path()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(file.path().to_str().unwrap()) && text.contains("not a FIFO"),
        "{text}"
    );
}
