//! The read and write traits of the runtimes, for every stream.
//!
//! They are implemented for `T` and for `&T`-like sharing through the inherent methods; a poll
//! function remembers one waiter for each direction, the last one, as its contract says.

/// The end of writing as the traits have it: a peer that has reset the connection leaves nothing to
/// be ended, and that is no failure of those who end it (tokio's sockets say the same).
#[cfg(any(feature = "tokio", feature = "futures-io", feature = "hyper"))]
pub(crate) fn end_of_writing(shutdown: std::io::Result<()>) -> std::io::Result<()> {
    match shutdown {
        Err(error) if error.kind() == std::io::ErrorKind::NotConnected => Ok(()),
        result => result,
    }
}

/// All trait implementations of a stream of bytes. The type has a field `fd`; `read` and `write`
/// say which directions.
macro_rules! stream_traits {
    ($type:ident) => {
        crate::net::stream_traits!($type read);
        crate::net::stream_traits!($type write shutdown |this: &$type| crate::net::end_of_writing(this.shutdown(std::net::Shutdown::Write)));

        #[cfg(feature = "hyper")]
        impl hyper::rt::Read for $type {
            #[track_caller]
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                mut cursor: hyper::rt::ReadBufCursor<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.fd
                    .poll_read(cx, &mut cursor, std::panic::Location::caller())
                    .map_ok(drop)
            }
        }

        #[cfg(feature = "hyper")]
        impl hyper::rt::Write for $type {
            #[track_caller]
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.fd.poll_write(cx, buf, std::panic::Location::caller())
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                _cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(crate::net::end_of_writing(self.shutdown(std::net::Shutdown::Write)))
            }

            #[track_caller]
            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.fd.poll_writev(cx, bufs, std::panic::Location::caller())
            }

            fn is_write_vectored(&self) -> bool {
                true
            }
        }
    };

    ($type:ident read) => {
        impl crate::net::HasFd for $type {
            fn fd(&self) -> &crate::fd::Fd {
                &self.fd
            }
        }

        #[cfg(feature = "tokio")]
        impl tokio::io::AsyncRead for $type {
            #[track_caller]
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.fd
                    .poll_read(cx, buf, std::panic::Location::caller())
                    .map_ok(drop)
            }
        }

        #[cfg(feature = "futures-io")]
        impl futures_io::AsyncRead for $type {
            #[track_caller]
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut [u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.fd.poll_read(cx, buf, std::panic::Location::caller())
            }
        }
    };

    ($type:ident write shutdown $shutdown:expr) => {
        #[cfg(feature = "tokio")]
        impl tokio::io::AsyncWrite for $type {
            #[track_caller]
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.fd.poll_write(cx, buf, std::panic::Location::caller())
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                _cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let shutdown: fn(&$type) -> std::io::Result<()> = $shutdown;
                std::task::Poll::Ready(shutdown(&self))
            }

            #[track_caller]
            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.fd.poll_writev(cx, bufs, std::panic::Location::caller())
            }

            fn is_write_vectored(&self) -> bool {
                true
            }
        }

        #[cfg(feature = "futures-io")]
        impl futures_io::AsyncWrite for $type {
            #[track_caller]
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.fd.poll_write(cx, buf, std::panic::Location::caller())
            }

            #[track_caller]
            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.fd.poll_writev(cx, bufs, std::panic::Location::caller())
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_close(
                self: std::pin::Pin<&mut Self>,
                _cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let shutdown: fn(&$type) -> std::io::Result<()> = $shutdown;
                std::task::Poll::Ready(shutdown(&self))
            }
        }
    };
}

pub(crate) use stream_traits;
