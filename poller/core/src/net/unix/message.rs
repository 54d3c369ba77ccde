//! recvmsg and sendmsg: bytes with control messages beside them.

/// What `recvmsg` received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Message {
    /// Bytes of payload.
    pub bytes: usize,
    /// Bytes of control messages. Descriptors among them are closed on exec, and the receiver's to
    /// close.
    pub control_bytes: usize,
    /// The flags of `recvmsg(2)`: MSG_TRUNC, MSG_CTRUNC, MSG_EOR.
    pub flags: i32,
}

/// `send_message` and `recv_message`.
macro_rules! message_io {
    ($type:ident) => {
        impl $type {
            /// Receives bytes and control messages (`recvmsg(2)`), laid out as `cmsg(3)` says.
            ///
            /// # Errors
            ///
            /// [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded),
            /// [`Error::Closed`](crate::Error::Closed), or what the kernel said.
            #[track_caller]
            pub fn recv_message<'a>(
                &'a self,
                bufs: &'a mut [std::io::IoSliceMut<'a>],
                control: &'a mut [u8],
            ) -> impl Future<Output = std::io::Result<crate::net::Message>> + 'a {
                let location = std::panic::Location::caller();
                async move {
                    let received = self.fd.recvmsg(bufs, control, location).await?;
                    Ok(crate::net::unix::message::from_received(&received))
                }
            }

            /// Sends bytes and control messages (`sendmsg(2)`).
            ///
            /// # Errors
            ///
            /// As [`recv_message`](Self::recv_message).
            #[track_caller]
            pub fn send_message<'a>(
                &'a self,
                bufs: &'a [std::io::IoSlice<'a>],
                control: &'a [u8],
            ) -> impl Future<Output = std::io::Result<usize>> + 'a {
                self.fd
                    .sendmsg(bufs, None, control, std::panic::Location::caller())
            }
        }
    };
}

pub(super) use message_io;

pub(super) fn from_received(received: &crate::sys::io::Received) -> Message {
    Message {
        bytes: received.bytes,
        control_bytes: received.control_bytes,
        flags: received.flags,
    }
}
