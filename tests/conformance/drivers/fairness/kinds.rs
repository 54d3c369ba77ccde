//! Every kind of operation.

use super::*;
use futures_lite::future::poll_fn;
use netpoller::net::{
    TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixSeqpacket,
    UnixSeqpacketListener, UnixStream,
};
use netpoller::pipe::{PipeReader, PipeWriter};
use netpoller::pollable::Pollable;
use netpoller::{Poller, time};
use netpoller_tests::{loopback, past, tcp_and_peer, unix_pair};
use std::io::{Read, Write};
use std::os::unix::net as std_unix;
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A stream of ours with bytes that none of the operations reads.
pub(super) fn readable(poller: &Poller) -> (TcpStream, std::net::TcpStream) {
    let (ours, mut peer) = tcp_and_peer(poller);
    peer.write_all(&[7; 16]).unwrap();
    (ours, peer)
}

fn udp(poller: &Poller) -> (UdpSocket, std::net::UdpSocket) {
    let ours = poller.in_scope(|| UdpSocket::bind(loopback())).unwrap();
    let peer = std::net::UdpSocket::bind(loopback()).unwrap();
    ours.connect(peer.local_addr().unwrap()).unwrap();
    peer.connect(ours.local_addr().unwrap()).unwrap();
    (ours, peer)
}

/// A datagram socket of ours, one of std's, and their directory.
fn datagrams(poller: &Poller) -> (UnixDatagram, std_unix::UnixDatagram, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    let ours = poller.in_scope(|| UnixDatagram::bind(&a)).unwrap();
    let peer = std_unix::UnixDatagram::bind(&b).unwrap();
    ours.connect(&b).unwrap();
    peer.connect(&a).unwrap();
    (ours, peer, dir)
}

/// Each of these does one operation so many times. What the peer does is no operation of ours, so
/// that each kind is alone.
macro_rules! kinds {
    ($($name:literal, $poller:ident { $($setup:tt)* } { $($operation:tt)* })*) => {
        pub(super) const KINDS: &[(&str, Start)] = &[$(($name, |$poller, times| Box::pin(async move {
            $($setup)*
            for _ in 0..times {
                $($operation)*
            }
        }))),*];
    };
}

kinds! {
    "read", poller { let (ours, mut peer) = tcp_and_peer(&poller); } {
        peer.write_all(&[7]).unwrap();
        ours.read(&mut [0; 1]).await.unwrap();
    }
    "read of nothing", poller { let (ours, _peer) = tcp_and_peer(&poller); } {
        ours.read(&mut []).await.unwrap();
    }
    "read_vectored", poller { let (ours, mut peer) = tcp_and_peer(&poller); } {
        peer.write_all(&[7]).unwrap();
        ours.read_vectored(&mut [std::io::IoSliceMut::new(&mut [0; 1])]).await.unwrap();
    }
    "readable", poller { let (ours, _peer) = readable(&poller); } {
        ours.readable().await.unwrap();
    }
    "writable", poller { let (ours, _peer) = tcp_and_peer(&poller); } {
        ours.writable().await.unwrap();
    }
    "write", poller { let (ours, mut peer) = tcp_and_peer(&poller); } {
        ours.write(&[7]).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "write_vectored", poller { let (ours, mut peer) = tcp_and_peer(&poller); } {
        ours.write_vectored(&[std::io::IoSlice::new(&[7])]).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "write_all", poller { let (ours, mut peer) = tcp_and_peer(&poller); } {
        ours.write_all(&[7]).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "read at the end", poller { let (ours, peer) = tcp_and_peer(&poller); drop(peer); } {
        assert_eq!(ours.read(&mut [0; 1]).await.unwrap(), 0);
    }
    "read after its deadline", poller { let (ours, _peer) = tcp_and_peer(&poller); ours.set_deadline(past()).unwrap(); } {
        ours.read(&mut [0; 1]).await.unwrap_err();
    }
    "write after close", poller { let (ours, _peer) = tcp_and_peer(&poller); ours.close().unwrap().await; } {
        ours.write(&[7]).await.unwrap_err();
    }
    "tokio's AsyncRead", poller { let (mut ours, mut peer) = tcp_and_peer(&poller); } {
        peer.write_all(&[7]).unwrap();
        AsyncReadExt::read(&mut ours, &mut [0; 1]).await.unwrap();
    }
    "tokio's AsyncRead of nothing", poller { let (mut ours, _peer) = tcp_and_peer(&poller); } {
        AsyncReadExt::read(&mut ours, &mut []).await.unwrap();
    }
    "tokio's AsyncWrite", poller { let (mut ours, mut peer) = tcp_and_peer(&poller); } {
        AsyncWriteExt::write(&mut ours, &[7]).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "tokio's AsyncWrite, vectored", poller { let (mut ours, mut peer) = tcp_and_peer(&poller); } {
        AsyncWriteExt::write_vectored(&mut ours, &[std::io::IoSlice::new(&[7])]).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "tokio's AsyncRead of a Unix stream", poller { let (mut ours, _peer) = unix_pair(&poller); drop(_peer); } {
        assert_eq!(AsyncReadExt::read(&mut ours, &mut [0; 1]).await.unwrap(), 0);
    }
    "futures' AsyncRead", poller { let (mut ours, mut peer) = tcp_and_peer(&poller); } {
        peer.write_all(&[7]).unwrap();
        let mut buf = [0; 1];
        poll_fn(|cx| futures_io::AsyncRead::poll_read(Pin::new(&mut ours), cx, &mut buf)).await.unwrap();
    }
    "futures' AsyncWrite", poller { let (mut ours, mut peer) = tcp_and_peer(&poller); } {
        poll_fn(|cx| futures_io::AsyncWrite::poll_write(Pin::new(&mut ours), cx, &[7])).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "hyper's Read", poller { let (mut ours, mut peer) = tcp_and_peer(&poller); } {
        peer.write_all(&[7]).unwrap();
        let mut bytes = [0; 1];
        poll_fn(|cx| {
            let mut buf = hyper::rt::ReadBuf::new(&mut bytes);
            hyper::rt::Read::poll_read(Pin::new(&mut ours), cx, buf.unfilled())
        }).await.unwrap();
    }
    "hyper's Write", poller { let (mut ours, mut peer) = tcp_and_peer(&poller); } {
        poll_fn(|cx| hyper::rt::Write::poll_write(Pin::new(&mut ours), cx, &[7])).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "accept", poller { let listener = poller.in_scope(|| TcpListener::bind(loopback())).unwrap(); } {
        drop(std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        drop(listener.accept().await.unwrap());
    }
    "incoming", poller { let mut incoming = poller.in_scope(|| TcpListener::bind(loopback())).unwrap().into_incoming(); } {
        drop(std::net::TcpStream::connect(incoming.listener().local_addr().unwrap()).unwrap());
        drop(incoming.accept().await.unwrap());
    }
    "accept of a Unix stream", poller {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let listener = poller.in_scope(|| UnixListener::bind(&path)).unwrap();
    } {
        let _peer = std_unix::UnixStream::connect(&path).unwrap();
        listener.accept().await.unwrap();
    }
    "incoming Unix streams", poller {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let listener = poller.in_scope(|| UnixListener::bind(&path)).unwrap();
        let mut incoming = listener.incoming();
    } {
        let _peer = std_unix::UnixStream::connect(&path).unwrap();
        incoming.accept().await.unwrap();
    }
    "accept of a seqpacket", poller {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let listener = poller.in_scope(|| UnixSeqpacketListener::bind(&path)).unwrap();
        let socket = || socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::SEQPACKET, None).unwrap();
    } {
        let peer = socket();
        peer.connect(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
        listener.accept().await.unwrap();
    }
    "connect", poller {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let listener = std_unix::UnixListener::bind(&path).unwrap();
    } {
        drop(poller.in_scope(|| UnixStream::connect(&path)).await.unwrap());
        drop(listener.accept().unwrap());
    }
    "connect that is refused", poller {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nobody");
    } {
        poller.in_scope(|| UnixStream::connect(&path)).await.unwrap_err();
    }
    "UDP recv", poller { let (ours, peer) = udp(&poller); } {
        peer.send(&[7]).unwrap();
        ours.recv(&mut [0; 1]).await.unwrap();
    }
    "UDP recv_from", poller { let (ours, peer) = udp(&poller); } {
        peer.send(&[7]).unwrap();
        ours.recv_from(&mut [0; 1]).await.unwrap();
    }
    "UDP send", poller { let (ours, peer) = udp(&poller); } {
        ours.send(&[7]).await.unwrap();
        peer.recv(&mut [0; 1]).unwrap();
    }
    "UDP send_to", poller { let (ours, peer) = udp(&poller); } {
        ours.send_to(&[7], peer.local_addr().unwrap()).await.unwrap();
        peer.recv(&mut [0; 1]).unwrap();
    }
    "datagram recv", poller { let (ours, peer, _dir) = datagrams(&poller); } {
        peer.send(&[7]).unwrap();
        ours.recv(&mut [0; 1]).await.unwrap();
    }
    "datagram recv_from", poller { let (ours, peer, _dir) = datagrams(&poller); } {
        peer.send(&[7]).unwrap();
        ours.recv_from(&mut [0; 1]).await.unwrap();
    }
    "datagram recv_message", poller { let (ours, peer, _dir) = datagrams(&poller); } {
        peer.send(&[7]).unwrap();
        ours.recv_message(&mut [std::io::IoSliceMut::new(&mut [0; 1])], &mut []).await.unwrap();
    }
    "datagram send", poller { let (ours, peer, _dir) = datagrams(&poller); } {
        ours.send(&[7]).await.unwrap();
        peer.recv(&mut [0; 1]).unwrap();
    }
    "datagram send_to", poller { let (ours, peer, dir) = datagrams(&poller); } {
        ours.send_to(&[7], dir.path().join("b")).await.unwrap();
        peer.recv(&mut [0; 1]).unwrap();
    }
    "datagram send_message", poller { let (ours, peer, _dir) = datagrams(&poller); } {
        ours.send_message(&[std::io::IoSlice::new(&[7])], &[]).await.unwrap();
        peer.recv(&mut [0; 1]).unwrap();
    }
    "seqpacket", poller { let (a, b) = poller.in_scope(|| UnixSeqpacket::pair()).unwrap(); } {
        a.send(&[7]).await.unwrap();
        b.recv(&mut [0; 1]).await.unwrap();
    }
    "pipe read", poller {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let reader = poller.in_scope(|| PipeReader::from_owned_fd(reader.into())).unwrap();
    } {
        writer.write_all(&[7]).unwrap();
        reader.read(&mut [0; 1]).await.unwrap();
    }
    "pipe write", poller {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let writer = poller.in_scope(|| PipeWriter::from_owned_fd(writer.into())).unwrap();
    } {
        writer.write(&[7]).await.unwrap();
        reader.read_exact(&mut [0]).unwrap();
    }
    "pollable read", poller {
        let (ours, mut peer) = std_unix::UnixStream::pair().unwrap();
        let ours = poller.in_scope(|| Pollable::new(ours)).unwrap();
    } {
        peer.write_all(&[7]).unwrap();
        ours.read_with(|mut socket| socket.read(&mut [0; 1])).await.unwrap();
    }
    "pollable write", poller {
        let (ours, mut peer) = std_unix::UnixStream::pair().unwrap();
        let ours = poller.in_scope(|| Pollable::new(ours)).unwrap();
    } {
        ours.write_with(|mut socket| socket.write(&[7])).await.unwrap();
        peer.read_exact(&mut [0]).unwrap();
    }
    "file", poller { let _ = &poller; let ours = Pollable::new_or_plain(tempfile::tempfile().unwrap()).unwrap(); } {
        assert_eq!(ours.read_with(|mut file| file.read(&mut [0; 1])).await.unwrap(), 0);
    }
    "sleep that is over", poller { let _ = &poller; } {
        time::sleep_until(Instant::now()).await;
    }
    "sleep of no time", poller { let _ = &poller; } {
        time::sleep(Duration::ZERO).await;
    }
    "tick that is overdue", poller {
        let _ = &poller;
        let mut interval = time::interval(Duration::from_nanos(1));
        std::thread::sleep(Duration::from_millis(1));
    } {
        interval.tick().await;
    }
    "timeout of what is ready", poller { let (ours, _peer) = readable(&poller); } {
        time::timeout(Duration::ZERO, ours.readable()).await.unwrap().unwrap();
    }
    "timeout of what never is", poller { let (ours, _peer) = tcp_and_peer(&poller); } {
        time::timeout(Duration::ZERO, ours.readable()).await.unwrap_err();
    }
}
