//! What a script says: the tree that the parser makes and the runner walks.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use netpoller::{Direction, Sides};

/// A script: operations on sockets, pipes and files, in order.
#[derive(Clone, Debug)]
pub struct Script {
    /// What follows `script`, as it is printed.
    pub name: String,
    /// Where it was read from.
    pub file: PathBuf,
    /// What to do.
    pub lines: Vec<Line>,
}

/// A line of a script.
#[derive(Clone, Debug)]
pub struct Line {
    /// The line as it was written, and as it is printed.
    pub text: String,
    /// Its number in the file, from 1.
    pub number: usize,
    /// What it does.
    pub op: Op,
    /// `late`: compare the end of the operation with the deadline set last.
    pub late: bool,
    /// `n*`: do not tell the count.
    pub masked: bool,
}

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the words of the language")]
pub enum Kind {
    Tcp,
    Unix,
    Packet,
    Gram,
    Udp,
    TcpListener,
    UnixListener,
    PacketListener,
    Reader,
    Writer,
    File,
    Fifo,
}

impl Kind {
    /// What is wanted where this is not, for messages.
    pub fn describe(self) -> &'static str {
        match self {
            Kind::Tcp => "a TCP connection",
            Kind::Unix => "a Unix stream",
            Kind::Packet => "a Unix seqpacket connection",
            Kind::Gram => "a Unix datagram socket",
            Kind::Udp => "a UDP socket",
            Kind::TcpListener | Kind::UnixListener | Kind::PacketListener => "a listener",
            Kind::Reader => "the reading end of a pipe",
            Kind::Writer => "the writing end of a pipe",
            Kind::File => "a regular file",
            Kind::Fifo => "a FIFO's path",
        }
    }

    /// The connections that a listener gives.
    pub fn accepted(self) -> Option<Kind> {
        match self {
            Kind::TcpListener => Some(Kind::Tcp),
            Kind::UnixListener => Some(Kind::Unix),
            Kind::PacketListener => Some(Kind::Packet),
            _ => None,
        }
    }

    /// Bytes in order, without boundaries.
    pub fn is_stream(self) -> bool {
        matches!(
            self,
            Kind::Tcp | Kind::Unix | Kind::Reader | Kind::Writer | Kind::File
        )
    }

    /// Each message comes for itself, from anybody.
    pub fn is_datagram(self) -> bool {
        matches!(self, Kind::Gram | Kind::Udp)
    }

    /// A socket that carries bytes or messages.
    pub fn is_socket(self) -> bool {
        matches!(self, Kind::Tcp | Kind::Unix | Kind::Packet) || self.is_datagram()
    }

    /// Whether it can be read.
    pub fn reads(self) -> bool {
        self.is_socket() || matches!(self, Kind::Reader | Kind::File)
    }

    /// Whether it can be written.
    pub fn writes(self) -> bool {
        self.is_socket() || matches!(self, Kind::Writer | Kind::File)
    }
}

/// Which pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the words of the language")]
pub enum PairKind {
    Tcp,
    Unix,
    Packet,
    Gram,
    Udp,
}

/// How a FIFO is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the words of the language")]
pub enum Access {
    Read,
    Write,
    ReadWrite,
}

/// A moment, relative to when the line runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the words of the language")]
pub enum When {
    Never,
    Now,
    Largest,
    After(Duration),
    Before(Duration),
}

/// An operation that may block.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the words of the language")]
pub enum Call {
    Read {
        on: String,
        size: usize,
    },
    Write {
        on: String,
        size: usize,
    },
    Readv {
        on: String,
        sizes: Vec<usize>,
    },
    Writev {
        on: String,
        sizes: Vec<usize>,
    },
    Recvfrom {
        on: String,
        size: usize,
    },
    Sendto {
        from: String,
        to: String,
        size: usize,
    },
    Accept {
        on: String,
    },
    Dial {
        name: String,
        to: String,
    },
    Oob {
        on: String,
    },
    Readoob {
        on: String,
    },
}

impl Call {
    /// What it waits for: the name and the direction. `None` for a call that has no descriptor
    /// before it ends.
    pub fn waits_for(&self) -> Option<(&str, Direction)> {
        match self {
            Call::Read { on, .. }
            | Call::Readv { on, .. }
            | Call::Recvfrom { on, .. }
            | Call::Accept { on } => Some((on, Direction::Read)),
            Call::Write { on, .. } | Call::Writev { on, .. } => Some((on, Direction::Write)),
            Call::Sendto { from, .. } => Some((from, Direction::Write)),
            Call::Dial { .. } | Call::Oob { .. } | Call::Readoob { .. } => None,
        }
    }
}

/// What a line does.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the words of the language")]
pub enum Op {
    Pair {
        kind: PairKind,
        a: String,
        b: String,
    },
    Listen {
        kind: Kind,
        name: String,
    },
    Udp {
        name: String,
    },
    Unixgram {
        name: String,
    },
    Pipe {
        reader: String,
        writer: String,
    },
    Fifo {
        name: String,
    },
    Open {
        access: Access,
        name: String,
        fifo: String,
    },
    File {
        name: String,
    },
    Dup {
        of: String,
        name: String,
    },
    Bufs {
        on: String,
        size: usize,
    },
    Inline {
        on: String,
    },
    Deadline {
        sides: Sides,
        on: String,
        when: When,
    },
    DialDead,
    DialTo {
        when: When,
    },
    Go {
        lane: String,
        call: Call,
    },
    GoClose {
        lane: String,
        on: String,
    },
    Parked {
        lane: String,
        lock: bool,
    },
    Done {
        lane: String,
    },
    Blocked {
        lane: String,
        time: Duration,
    },
    Call(Call),
    Close {
        on: String,
    },
    Rst {
        on: String,
    },
    Shut {
        on: String,
        write: bool,
    },
    Sleep {
        time: Duration,
    },
}

impl Script {
    /// Whether it depends on the machine being quick: a deadline may come before what is meant to
    /// be done by then.
    pub fn is_timed(&self) -> bool {
        self.lines.iter().any(|line| match &line.op {
            Op::Sleep { .. } | Op::Blocked { .. } => true,
            Op::Deadline {
                when: When::After(time),
                ..
            } => *time <= Duration::from_secs(1),
            _ => false,
        })
    }
}

/// The script, as it can be parsed again.
impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "script {}", self.name)?;
        for line in &self.lines {
            writeln!(f, "{}", line.text)?;
        }
        Ok(())
    }
}
