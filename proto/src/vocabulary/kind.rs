//! What each kind of descriptor is made of, so that a new one is a row here and nobody else has to
//! know it by its name.

words! {
    /// What a descriptor is.
    Kind {
        /// A connected (or connecting) TCP socket.
        Tcp = 1 tcp,
        /// A listening TCP socket.
        TcpListener = 2 tcp_listener,
        /// A UDP socket.
        Udp = 3 udp,
        /// A Unix stream socket.
        Unix = 4 unix,
        /// A listening Unix socket.
        UnixListener = 5 unix_listener,
        /// A Unix datagram socket.
        UnixDatagram = 6 unix_datagram,
        /// A Unix seqpacket socket.
        UnixSeqpacket = 7 unix_seqpacket,
        /// An end of a pipe or FIFO.
        Pipe = 8 pipe,
        /// Anything else that epoll accepts.
        Other = 9 other,
        /// A sleep: a slot with a deadline and no file descriptor.
        Timer = 10 timer,
    }
}

/// What carries the bytes of a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// A Unix domain socket.
    Unix,
    /// A pipe or FIFO.
    Pipe,
    /// Nothing: it has no file.
    Timer,
    /// Nobody knows: the file is the program's own.
    Unknown,
}

/// What can be done with a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// Bytes in order, without boundaries: a read of 0 is the end, and a write may be partial.
    Stream,
    /// Messages of one connection.
    Seqpacket,
    /// Messages to and from anybody; it can be connected anew at any time.
    Datagram,
    /// Connections to accept.
    Listener,
    /// Time to pass.
    Sleep,
}

impl Kind {
    /// A row for each: what carries it, what can be done with it, and the type that an embedding
    /// program has in its hands.
    const fn parts(self) -> (Transport, Role, &'static str) {
        match self {
            Self::Tcp => (Transport::Tcp, Role::Stream, "TcpStream"),
            Self::TcpListener => (Transport::Tcp, Role::Listener, "TcpListener"),
            Self::Udp => (Transport::Udp, Role::Datagram, "UdpSocket"),
            Self::Unix => (Transport::Unix, Role::Stream, "UnixStream"),
            Self::UnixListener => (Transport::Unix, Role::Listener, "UnixListener"),
            Self::UnixDatagram => (Transport::Unix, Role::Datagram, "UnixDatagram"),
            Self::UnixSeqpacket => (Transport::Unix, Role::Seqpacket, "UnixSeqpacket"),
            Self::Pipe => (Transport::Pipe, Role::Stream, "Pipe"),
            Self::Other => (Transport::Unknown, Role::Stream, "Pollable"),
            Self::Timer => (Transport::Timer, Role::Sleep, "Sleep"),
        }
    }

    /// Returns what carries its bytes.
    #[inline]
    #[must_use]
    pub const fn transport(self) -> Transport {
        self.parts().0
    }

    /// Returns what can be done with it.
    #[inline]
    #[must_use]
    pub const fn role(self) -> Role {
        self.parts().1
    }

    /// Returns the name of the type that an embedding program has in its hands.
    #[must_use]
    pub const fn type_name(self) -> &'static str {
        self.parts().2
    }

    /// Returns whether connections are accepted from it.
    #[inline]
    #[must_use]
    pub const fn is_listener(self) -> bool {
        matches!(self.role(), Role::Listener)
    }
}
