//! What connections of every kind have in common.

use std::future::Future;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::net::{TcpStream, UdpSocket, UnixStream};

/// What has bytes. None of its functions is asynchronous itself: no future is added to tokio's.
pub trait Source: Send + Sync + 'static {
    fn readable(&self) -> impl Future<Output = io::Result<()>> + Send;
    fn try_read(&self, into: &mut [u8]) -> io::Result<usize>;
}

/// The same, of streams, which are read by whoever has them alone.
pub trait Reads: Source + AsyncRead + Unpin {}

impl<S: Source + AsyncRead + Unpin> Reads for S {}

/// What takes bytes.
pub trait Writes: AsyncWrite + Unpin + Send + Sync + 'static {
    fn writable(&self) -> impl Future<Output = io::Result<()>> + Send;
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;
}

macro_rules! source {
    ($($of:ident: $try_read:ident),*) => {$(
        impl Source for $of {
            fn readable(&self) -> impl Future<Output = io::Result<()>> + Send {
                $of::readable(self)
            }

            fn try_read(&self, into: &mut [u8]) -> io::Result<usize> {
                $of::$try_read(self, into)
            }
        }
    )*};
}

macro_rules! writes {
    ($($of:ident),*) => {$(
        impl Writes for $of {
            fn writable(&self) -> impl Future<Output = io::Result<()>> + Send {
                $of::writable(self)
            }

            fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
                $of::try_write(self, bytes)
            }
        }
    )*};
}

source!(TcpStream: try_read, UnixStream: try_read, OwnedReadHalf: try_read, Receiver: try_read, UdpSocket: try_recv);
writes!(TcpStream, UnixStream, OwnedWriteHalf, Sender);
