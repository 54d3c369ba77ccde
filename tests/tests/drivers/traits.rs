//! The read and write traits of tokio, futures and hyper.

use std::pin::Pin;
use std::task::Poll;

use netpoller::Poller;
use netpoller::net::TcpStream;
use netpoller::pipe::pipe;
use netpoller_tests::{Lane, full, run, tcp_pair};
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
        let poller = Poller::builder().build().unwrap();
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
    netpoller_tests::run_global(async |_| {
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
