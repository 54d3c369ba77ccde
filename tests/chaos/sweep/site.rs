//! Which calls can fail, and how: for each place where the kernel is called, the errors that Linux
//! can return there.

use std::fmt;
use std::str::FromStr;

macro_rules! sites {
    ($($(#[$doc:meta])* $site:ident $name:literal)+) => {
        /// A place where the kernel is called: the call, and what it is called on where that
        /// decides how it can fail.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub(crate) enum Site {
            $($(#[$doc])* $site),+
        }

        impl Site {
            /// All of them.
            pub(crate) const ALL: [Site; [$($name),+].len()] = [$(Site::$site),+];

            /// The name on the command line.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Site::$site => $name),+
                }
            }
        }
    };
}

sites! {
    EpollCreate "epoll_create1"
    EventFd "eventfd"
    TimerFd "timerfd_create"
    /// epoll_ctl(2) with EPOLL_CTL_ADD.
    Add "epoll_ctl-add"
    Wait "epoll_wait"
    Pwait2 "epoll_pwait2"
    /// The break signal.
    ReadEvent "read-eventfd"
    WriteEvent "write-eventfd"
    ReadPipe "read-pipe"
    WritePipe "write-pipe"
    /// Receiving from a stream, sending to one: a send may be short.
    Recv "recv-stream"
    Send "send-stream"
    RecvMessage "recv-message"
    SendMessage "send-message"
    Accept "accept4"
    ConnectTcp "connect-tcp"
    ConnectUnix "connect-unix"
    Socket "socket"
    Socketpair "socketpair"
    Pipe "pipe2"
    Dup "fcntl-dupfd"
    SetOption "setsockopt"
    GetOption "getsockopt"
    Open "open"
    Poll "poll"
    Close "close"
}

impl Site {
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// What the kernel may answer here instead of doing what it was asked to.
    ///
    /// A non-blocking read or write of an eventfd is not interrupted, and says EAGAIN if somebody
    /// else was faster.
    pub(crate) fn faults(self) -> Vec<Fault> {
        const OUT_OF_FILES: [i32; 3] = [libc::EMFILE, libc::ENFILE, libc::ENOMEM];
        let once = |errnos: &[i32]| errnos.iter().map(|errno| Fault::once(*errno)).collect();
        let storms = |errnos: &[i32]| -> Vec<_> {
            let both = |errno| [Fault::once(errno), Fault::storm(errno)];
            errnos.iter().flat_map(|errno| both(*errno)).collect()
        };
        let and = |mut a: Vec<Fault>, b: Vec<Fault>| {
            a.extend(b);
            a
        };
        match self {
            Site::EpollCreate
            | Site::EventFd
            | Site::TimerFd
            | Site::Socketpair
            | Site::Socket
            | Site::Pipe
            | Site::Open => once(&OUT_OF_FILES),
            Site::Dup => once(&[libc::EMFILE, libc::ENOMEM]),
            Site::Add => once(&[libc::ENOMEM, libc::ENOSPC]),
            Site::Wait => storms(&[libc::EINTR]),
            Site::Pwait2 => and(storms(&[libc::EINTR]), once(&[libc::ENOSYS, libc::EPERM])),
            Site::ReadEvent | Site::WriteEvent => once(&[libc::EAGAIN]),
            Site::ReadPipe => storms(&[libc::EINTR, libc::EAGAIN]),
            Site::Recv | Site::RecvMessage => {
                and(storms(&[libc::EINTR, libc::EAGAIN]), once(&[libc::ENOMEM]))
            }
            Site::WritePipe => and(
                storms(&[libc::EINTR, libc::EAGAIN, SHORT]),
                once(&[libc::ENOMEM]),
            ),
            Site::Send => and(
                storms(&[libc::EINTR, libc::EAGAIN, SHORT]),
                once(&[libc::ENOMEM, libc::ENOBUFS]),
            ),
            Site::SendMessage => and(
                storms(&[libc::EINTR, libc::EAGAIN]),
                once(&[libc::ENOMEM, libc::ENOBUFS]),
            ),
            Site::Accept => and(
                storms(&[libc::EINTR, libc::EAGAIN, libc::ECONNABORTED]),
                once(&[libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS]),
            ),
            Site::ConnectTcp => once(&[libc::EINTR, libc::ENOBUFS, libc::EADDRNOTAVAIL]),
            Site::ConnectUnix => once(&[libc::EAGAIN, libc::ENOMEM]),
            Site::SetOption | Site::GetOption => once(&[libc::ENOMEM]),
            Site::Poll => and(storms(&[libc::EINTR]), once(&[libc::ENOMEM])),
            Site::Close => once(&[libc::EINTR]),
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Site {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let site = Site::ALL.into_iter().find(|site| site.name() == name);
        site.ok_or_else(|| format!("there is no site {name:?}; `sweep sites` lists them"))
    }
}

/// Stands among the error numbers for a write that takes less than it was given.
pub(crate) const SHORT: i32 = 0;

/// How many calls in a row a storm makes fail.
const STORM: u32 = 40;

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    /// The error, or [`SHORT`].
    pub(crate) errno: i32,
    /// So many calls in a row.
    pub(crate) times: u32,
}

impl Fault {
    fn once(errno: i32) -> Self {
        Self { errno, times: 1 }
    }

    fn storm(errno: i32) -> Self {
        Self {
            errno,
            times: STORM,
        }
    }

    /// Whether a program may see it. Signals, EAGAIN and short writes are the poller's own
    /// business, and the rest of them it has to report.
    pub(crate) fn may_surface(self, site: Site) -> bool {
        match self.errno {
            SHORT | libc::EINTR | libc::ECONNABORTED => false,
            // The listener's queue is full; nobody tells when there is room again.
            libc::EAGAIN => site == Site::ConnectUnix,
            // There is another call for the same.
            _ => site != Site::Pwait2,
        }
    }

    /// Whether the process remembers it: it needs one of its own then.
    pub(crate) fn is_remembered(self, site: Site) -> bool {
        site == Site::Pwait2 && self.errno != libc::EINTR
    }

    /// The name of the error.
    pub(crate) fn name(self) -> &'static str {
        errno_name(self.errno).unwrap_or("?")
    }
}

/// Whether an error that can be planned is called so.
pub(crate) fn is_errno_name(name: &str) -> bool {
    NAMES.iter().any(|(_, known)| *known == name)
}

/// The name of an error that can be planned.
pub(crate) fn errno_name(errno: i32) -> Option<&'static str> {
    let known = NAMES.iter().find(|(known, _)| *known == errno);
    known.map(|(_, name)| *name)
}

/// Those of [`Site::faults`].
const NAMES: [(i32, &str); 12] = [
    (SHORT, "short"),
    (libc::EINTR, "EINTR"),
    (libc::EAGAIN, "EAGAIN"),
    (libc::EMFILE, "EMFILE"),
    (libc::ENFILE, "ENFILE"),
    (libc::ENOMEM, "ENOMEM"),
    (libc::ENOSPC, "ENOSPC"),
    (libc::ENOBUFS, "ENOBUFS"),
    (libc::ENOSYS, "ENOSYS"),
    (libc::EPERM, "EPERM"),
    (libc::ECONNABORTED, "ECONNABORTED"),
    (libc::EADDRNOTAVAIL, "EADDRNOTAVAIL"),
];

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.times {
            1 => f.write_str(self.name()),
            times => write!(f, "{}*{times}", self.name()),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, times) = text.split_once('*').unwrap_or((text, "1"));
        let errno = NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(errno, _)| *errno)
            .ok_or_else(|| format!("there is no fault {name:?}; `sweep sites` lists them"))?;
        let times = times
            .parse()
            .map_err(|_| format!("{times:?} is no number of times"))?;
        Ok(Self { errno, times })
    }
}
