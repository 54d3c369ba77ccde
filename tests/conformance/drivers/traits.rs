//! The read and write traits of tokio, futures and hyper.

use std::future::poll_fn;
use std::io::{IoSliceMut, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use netpoller::net::TcpStream;
use netpoller::pipe::pipe;
use netpoller::pollable::Pollable;
use netpoller::{Counter, Poller, Sides};
use netpoller_tests::{Lane, full, is_parked, new_poller, past, run, tcp_pair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[test]
fn tokio_copy_carries_a_stream_through_to_its_end() {
    run(async |poller: Poller| {
        let (mut a, mut b) = tcp_pair(&poller);
        let (mut c, d) = tcp_pair(&poller);
        let all = &full()[..4 << 20];
        let copying = async {
            let copied = tokio::io::copy(&mut b, &mut c).await.unwrap();
            AsyncWriteExt::shutdown(&mut c).await.unwrap();
            copied
        };
        let writing = async {
            AsyncWriteExt::write_all(&mut a, all).await.unwrap();
            AsyncWriteExt::shutdown(&mut a).await.unwrap();
        };
        let reading = async {
            let (mut n, mut buf) = (0, vec![0; 100_000]);
            loop {
                match d.read(&mut buf).await.unwrap() {
                    0 => break n,
                    m => n += m,
                }
            }
        };
        let both = futures_lite::future::zip(copying, writing);
        let ((copied, ()), received) = futures_lite::future::zip(both, reading).await;
        assert_eq!((copied, received), (4 << 20, 4 << 20));
    });
}

#[test]
fn tokio_split_copies_both_ways_at_once_in_a_runtime() {
    Lane::start(|| {
        let poller = new_poller();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_io()
            .build();
        runtime.unwrap().block_on(async {
            let (a, b) = tcp_pair(&poller);
            let echo = tokio::spawn(async move {
                let (mut read, mut write) = tokio::io::split(b);
                let n = tokio::io::copy(&mut read, &mut write).await.unwrap();
                write.shutdown().await.unwrap();
                n
            });
            let (mut read, mut write) = tokio::io::split(a);
            let writing = tokio::spawn(async move {
                write.write_all(&full()[..2 << 20]).await.unwrap();
                write.shutdown().await.unwrap();
            });
            let mut back = Vec::new();
            read.read_to_end(&mut back).await.unwrap();
            writing.await.unwrap();
            assert_eq!(echo.await.unwrap(), 2 << 20);
            assert!(back == full()[..2 << 20]);
        });
    })
    .join();
}

#[test]
fn a_pipe_has_tokio_traits_too() {
    netpoller_tests::run(async |_| {
        let (mut reader, mut writer) = pipe().unwrap();
        AsyncWriteExt::write_all(&mut writer, b"through")
            .await
            .unwrap();
        writer.shutdown().await.unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "through");
    });
}

#[test]
fn futures_io_reads_and_writes_to_the_end() {
    use futures_lite::{AsyncReadExt, AsyncWriteExt};
    run(async |poller: Poller| {
        let (mut a, mut b) = tcp_pair(&poller);
        let all = full()[..1 << 20].to_vec();
        let writing = async {
            AsyncWriteExt::write_all(&mut a, &all).await.unwrap();
            AsyncWriteExt::close(&mut a).await.unwrap();
        };
        let mut back = Vec::new();
        let reading = AsyncReadExt::read_to_end(&mut b, &mut back);
        let ((), n) = futures_lite::future::zip(writing, reading).await;
        assert_eq!(n.unwrap(), all.len());
        assert!(back == all);
    });
}

async fn hyper_read(stream: &mut TcpStream, room: usize) -> Vec<u8> {
    std::future::poll_fn(|cx| {
        let mut bytes = vec![0; room];
        let mut buf = hyper::rt::ReadBuf::new(&mut bytes);
        match hyper::rt::Read::poll_read(Pin::new(stream), cx, buf.unfilled()) {
            Poll::Ready(result) => {
                result.unwrap();
                Poll::Ready(buf.filled().to_vec())
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[test]
fn hyper_reads_more_than_its_bounce_buffer_holds_and_then_the_end() {
    run(async |poller: Poller| {
        let (mut a, mut b) = tcp_pair(&poller);
        let all: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
        let sending = async {
            let mut sent = 0;
            while sent < all.len() {
                let bufs = [
                    std::io::IoSlice::new(&all[sent..]),
                    std::io::IoSlice::new(&[]),
                ];
                let poll = std::future::poll_fn(|cx| {
                    hyper::rt::Write::poll_write_vectored(Pin::new(&mut a), cx, &bufs)
                });
                sent += poll.await.unwrap();
            }
            let shut =
                std::future::poll_fn(|cx| hyper::rt::Write::poll_shutdown(Pin::new(&mut a), cx));
            shut.await.unwrap();
        };
        let receiving = async {
            let mut received = Vec::new();
            loop {
                let bytes = hyper_read(&mut b, 30_000).await;
                if bytes.is_empty() {
                    return received;
                }
                received.extend(bytes);
            }
        };
        let ((), received) = futures_lite::future::zip(sending, receiving).await;
        assert!(received == all);
    });
}

/// Memory that was not initialised stays so, but for the bytes that were read: to zero a large
/// buffer costs more than the read.
#[test]
fn tokio_read_touches_only_the_bytes_that_it_has_read() {
    run(async |poller: Poller| {
        let (mut a, b) = tcp_pair(&poller);
        b.write_all(b"abc").await.unwrap();
        let mut memory = [const { std::mem::MaybeUninit::uninit() }; 1 << 16];
        let mut buf = tokio::io::ReadBuf::uninit(&mut memory);
        buf.put_slice(b">");
        let mut read = |buf: &mut tokio::io::ReadBuf<'_>| {
            let mut cx = Context::from_waker(Waker::noop());
            tokio::io::AsyncRead::poll_read(Pin::new(&mut a), &mut cx, buf)
        };
        assert!(matches!(read(&mut buf), Poll::Ready(Ok(()))));
        assert_eq!((buf.filled(), buf.initialized().len()), (&b">abc"[..], 4));
        assert!(read(&mut buf).is_pending());
        assert_eq!((buf.filled(), buf.initialized().len()), (&b">abc"[..], 4));
    });
}

#[test]
fn hyper_read_takes_as_much_as_there_is_room_for() {
    run(async |poller: Poller| {
        let (mut a, b) = tcp_pair(&poller);
        const MANY: usize = 30_000;
        b.write_all(&full()[..MANY]).await.unwrap();
        // All of it has arrived.
        let mut peeked = vec![std::mem::MaybeUninit::uninit(); MANY];
        while a.with_options(|socket| socket.peek(&mut peeked)).unwrap() < MANY {}
        let mut memory = [const { std::mem::MaybeUninit::uninit() }; 1 << 16];
        let mut buf = hyper::rt::ReadBuf::uninit(&mut memory);
        let mut cx = Context::from_waker(Waker::noop());
        let poll = hyper::rt::Read::poll_read(Pin::new(&mut a), &mut cx, buf.unfilled());
        assert!(matches!(poll, Poll::Ready(Ok(()))));
        assert_eq!(buf.filled(), &full()[..MANY]);
    });
}

/// So many bytes as `buf` has room for, by each way to read them.
async fn every_read(stream: &mut TcpStream, mut read: impl FnMut(&str, usize)) {
    let mut buf = [0; 2];
    read("read", stream.read(&mut buf).await.unwrap());
    let mut slices = [IoSliceMut::new(&mut buf)];
    read(
        "read_vectored",
        stream.read_vectored(&mut slices).await.unwrap(),
    );
    read("tokio", AsyncReadExt::read(stream, &mut buf).await.unwrap());
    let futures =
        poll_fn(|cx| futures_io::AsyncRead::poll_read(Pin::new(&mut *stream), cx, &mut buf));
    read("futures", futures.await.unwrap());
    let hyper = poll_fn(|cx| {
        let mut buf = hyper::rt::ReadBuf::new(&mut buf);
        let read = hyper::rt::Read::poll_read(Pin::new(&mut *stream), cx, buf.unfilled());
        read.map_ok(|()| buf.filled().len())
    });
    read("hyper", hyper.await.unwrap());
}

#[test]
fn the_end_of_a_stream_is_counted_as_such_by_every_way_to_read_it() {
    run(async |poller: Poller| {
        let (mut a, b) = tcp_pair(&poller);
        let counts = || {
            let stats = poller.stats();
            [Counter::OpReadOk, Counter::OpReadEof, Counter::BytesRead]
                .map(|counter| stats.counter(counter))
        };
        b.write_all(&[7; 10]).await.unwrap();
        let mut reads = 0;
        every_read(&mut a, |name, n| {
            reads += 1;
            assert_eq!((n, counts()), (2, [reads, 0, reads * 2]), "{name}");
        })
        .await;
        drop(b);
        let mut ends = 0;
        every_read(&mut a, |name, n| {
            ends += 1;
            assert_eq!((n, counts()), (0, [reads, ends, reads * 2]), "{name}");
        })
        .await;
        assert_eq!((reads, ends), (5, 5));
        a.read(&mut []).await.unwrap();
        assert_eq!(counts(), [6, 5, 10], "to want no bytes is no end");
    });
}

#[test]
fn a_pollable_counts_its_operations_and_calls() {
    run(async |poller: Poller| {
        let (a, mut b) = std::os::unix::net::UnixStream::pair().unwrap();
        let a = Pollable::new(a).unwrap();
        let counts = || {
            let stats = poller.stats();
            [
                Counter::OpReadOk,
                Counter::SysReadOk,
                Counter::SysReadEagain,
                Counter::OpWriteOk,
                Counter::SysWriteOk,
                Counter::OpReadTimeout,
                Counter::OpReadError,
                Counter::SysReadError,
            ]
            .map(|counter| stats.counter(counter))
        };
        let mut buf = [0];
        let mut reading = Box::pin(a.read_with(|mut a| a.read(&mut buf)));
        assert!(is_parked(&mut reading).await);
        assert_eq!(counts(), [0, 0, 1, 0, 0, 0, 0, 0]);
        b.write_all(b"x").unwrap();
        assert_eq!(reading.await.unwrap(), 1);
        assert_eq!(counts(), [1, 1, 1, 0, 0, 0, 0, 0]);
        a.write_with(|mut a| a.write(b"y")).await.unwrap();
        assert_eq!(counts(), [1, 1, 1, 1, 1, 0, 0, 0]);
        let fails = |_: &_| std::io::Result::<()>::Err(std::io::ErrorKind::InvalidData.into());
        a.read_with(fails).await.unwrap_err();
        assert_eq!(counts(), [1, 1, 1, 1, 1, 0, 1, 1]);
        a.set_deadline(past(), Sides::Read).unwrap();
        a.read_with(|mut a| a.read(&mut [0])).await.unwrap_err();
        assert_eq!(counts(), [1, 1, 1, 1, 1, 1, 1, 1]);
    });
}
