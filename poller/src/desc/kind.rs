//! What a descriptor is.

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal,)+) => {
        /// What a descriptor is.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Kind {
            const ALL: [Kind; [$($name),+].len()] = [$(Kind::$variant),+];

            /// The name in tables and in the protocol.
            pub fn name(self) -> &'static str {
                match self {
                    $(Kind::$variant => $name,)+
                }
            }
        }
    };
}

kinds! {
    /// A connected (or connecting) TCP socket.
    Tcp => "tcp",
    /// A listening TCP socket.
    TcpListener => "tcp_listener",
    /// A UDP socket.
    Udp => "udp",
    /// A Unix stream socket.
    Unix => "unix",
    /// A listening Unix socket.
    UnixListener => "unix_listener",
    /// A Unix datagram socket.
    UnixDatagram => "unix_datagram",
    /// A Unix seqpacket socket.
    UnixSeqpacket => "unix_seqpacket",
    /// An end of a pipe or FIFO.
    Pipe => "pipe",
    /// Anything else that epoll accepts.
    Other => "other",
    /// A sleep: a slot with a deadline and no file descriptor.
    Timer => "timer",
}

impl Kind {
    pub(super) fn from_u8(kind: u8) -> Kind {
        Self::ALL
            .get(usize::from(kind))
            .copied()
            .unwrap_or(Kind::Other)
    }
}
