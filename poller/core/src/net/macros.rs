//! Methods that all types with an [`Fd`](crate::fd::Fd) inside have in common.

/// What every descriptor can do. The type has a field `fd`.
macro_rules! descriptor_methods {
    ($type:ident) => {
        impl $type {
            /// Sets the deadline of reading and writing, `None` for no deadline. It holds for
            /// operations that already wait.
            ///
            /// # Errors
            ///
            /// [`Error::Closed`](crate::Error::Closed).
            pub fn set_deadline(
                &self,
                deadline: Option<std::time::Instant>,
            ) -> std::io::Result<()> {
                self.fd.set_deadline(deadline, crate::Sides::Both)
            }

            /// Sets the deadline of reading (and accepting), `None` for no deadline.
            ///
            /// # Errors
            ///
            /// As [`set_deadline`](Self::set_deadline).
            pub fn set_read_deadline(
                &self,
                deadline: Option<std::time::Instant>,
            ) -> std::io::Result<()> {
                self.fd.set_deadline(deadline, crate::Sides::Read)
            }

            /// Sets the deadline of writing, `None` for no deadline.
            ///
            /// # Errors
            ///
            /// As [`set_deadline`](Self::set_deadline).
            pub fn set_write_deadline(
                &self,
                deadline: Option<std::time::Instant>,
            ) -> std::io::Result<()> {
                self.fd.set_deadline(deadline, crate::Sides::Write)
            }

            /// Names it in the inspector's tables, by what it is for. See
            /// [`Desc::set_label`](crate::Desc::set_label).
            pub fn set_label(&self, label: &str) {
                self.fd.set_label(label);
            }

            /// Returns the id, `slot.generation`, as the inspector's tables show it.
            pub fn id(&self) -> crate::DescId {
                self.fd.id()
            }

            /// Returns how many operations queue behind the one that is under way in `direction`.
            pub fn queued(&self, direction: crate::Direction) -> usize {
                self.fd.queued(direction)
            }

            /// Closes it at once for everybody: operations that wait fail with
            /// [`Error::Closed`](crate::Error::Closed). The future returned ends when they have all
            /// returned and the descriptor's number is free; it happens whether it is awaited or
            /// not.
            ///
            /// # Errors
            ///
            /// [`Error::Closed`](crate::Error::Closed) if it was closed before.
            pub fn close(&self) -> std::io::Result<crate::net::Closing<'_>> {
                self.fd.close()
            }

            /// Deregisters it and gives the descriptor back, still non-blocking: nobody else holds
            /// it, so nobody waits. `None` if it was closed before.
            pub fn into_owned_fd(self) -> Option<std::os::fd::OwnedFd> {
                self.fd.into_owned()
            }

            /// Makes another descriptor for the same open file, closed on exec, not registered.
            /// Both share one set of flags: making one of them blocking makes both so, and
            /// deadlines void (golang/go#22934).
            ///
            /// # Errors
            ///
            /// What `fcntl(2)` said, or [`Error::Closed`](crate::Error::Closed).
            pub fn duplicate(&self) -> std::io::Result<std::os::fd::OwnedFd> {
                self.fd.duplicate()
            }

            /// Waits until there is something to read (or accept), or the end. What it says may be
            /// out of date when it says it, if others read too.
            ///
            /// # Errors
            ///
            /// [`Error::Closed`](crate::Error::Closed),
            /// [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded).
            #[track_caller]
            pub fn readable(&self) -> impl Future<Output = std::io::Result<()>> + '_ {
                self.fd.readable(std::panic::Location::caller())
            }

            /// Waits until there is room to write.
            ///
            /// # Errors
            ///
            /// [`Error::Closed`](crate::Error::Closed),
            /// [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded).
            #[track_caller]
            pub fn writable(&self) -> impl Future<Output = std::io::Result<()>> + '_ {
                self.fd.writable(std::panic::Location::caller())
            }
        }

        impl std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.fd.raw()
            }
        }
    };
}

/// Reading and writing a stream of bytes.
macro_rules! stream_methods {
    ($type:ident) => {
        crate::net::stream_methods!($type read);
        crate::net::stream_methods!($type write);
    };
    ($type:ident read) => {
        impl $type {
            /// Reads what is there, at least one byte; 0 is the end of the stream, or that `buf` is
            /// empty. Cancel safe: what a dropped future has not returned is still there.
            ///
            /// Reads take turns: this one waits until those before it have ended or were dropped.
            /// So do not keep one that you no longer poll.
            ///
            /// # Errors
            ///
            /// [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded) as
            /// [`std::io::ErrorKind::TimedOut`], [`Error::Closed`](crate::Error::Closed), or what
            /// the kernel said.
            #[track_caller]
            pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> impl Future<Output = std::io::Result<usize>> + 'a {
                self.fd.read(buf, std::panic::Location::caller())
            }

            /// Reads into several buffers, in order, at most 1024 of them at once. Cancel safe.
            ///
            /// # Errors
            ///
            /// As [`read`](Self::read).
            #[track_caller]
            pub fn read_vectored<'a>(
                &'a self,
                bufs: &'a mut [std::io::IoSliceMut<'a>],
            ) -> impl Future<Output = std::io::Result<usize>> + 'a {
                self.fd.readv(bufs, std::panic::Location::caller())
            }
        }
    };
    ($type:ident write) => {
        impl crate::net::Blocking<'_, $type> {
            /// Does `write_all` of std's [`Write`](std::io::Write), in one turn: other writers come
            /// before or after it, not in between. Unlike that, it tells on an error how many bytes
            /// were written.
            ///
            /// # Errors
            ///
            /// As that of the type itself.
            #[track_caller]
            pub fn try_write_all(&self, buf: &[u8]) -> Result<(), crate::net::WriteAllError> {
                crate::net::blocking_write_all(self, buf, std::panic::Location::caller())
            }
        }

        impl $type {
            /// Writes as many bytes of `buf` as there is room for, at least one. Cancel safe: a
            /// dropped future has written nothing.
            ///
            /// # Errors
            ///
            /// [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded) as
            /// [`std::io::ErrorKind::TimedOut`], [`Error::Closed`](crate::Error::Closed), or what
            /// the kernel said (a closed peer is an error, not a signal).
            #[track_caller]
            pub fn write<'a>(&'a self, buf: &'a [u8]) -> impl Future<Output = std::io::Result<usize>> + 'a {
                self.fd.write(buf, std::panic::Location::caller())
            }

            /// Writes all of `buf`; other writers come before or after it, not in between. Not
            /// cancel safe: a dropped future may have written a part.
            ///
            /// # Errors
            ///
            /// As [`write`](Self::write), with the number of bytes that were written.
            #[track_caller]
            pub fn write_all<'a>(
                &'a self,
                buf: &'a [u8],
            ) -> impl Future<Output = Result<(), crate::net::WriteAllError>> + 'a {
                self.fd.write_all(buf, std::panic::Location::caller())
            }

            /// Writes from several buffers, in order, at most 1024 of them at once. Cancel safe.
            ///
            /// # Errors
            ///
            /// As [`write`](Self::write).
            #[track_caller]
            pub fn write_vectored<'a>(
                &'a self,
                bufs: &'a [std::io::IoSlice<'a>],
            ) -> impl Future<Output = std::io::Result<usize>> + 'a {
                self.fd.writev(bufs, std::panic::Location::caller())
            }
        }
    };
}

pub(crate) use {descriptor_methods, stream_methods};
