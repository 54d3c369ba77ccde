//! A panic does not make a socket unusable, so all of them can be held across `catch_unwind`, as
//! tokio's and std's can.

use netpoller_tests::new_poller;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};

fn is<T: UnwindSafe + RefUnwindSafe>() {}

macro_rules! all {
    ($($type:ty),+ $(,)?) => { $(is::<$type>();)+ };
}

#[test]
fn all_public_types_may_be_held_across_a_panic() {
    use netpoller::*;
    all![
        Builder,
        Counter,
        Desc,
        DescId,
        Direction,
        Error,
        Histogram,
        HistogramSnapshot,
        Kind,
        NotRegistered<std::fs::File>,
        Poller,
        ReadyList,
        RegisterError,
        Sides,
        Transition,
        Unit,
        Wait<'static>,
        driver::EnterGuard,
        driver::ThreadDriver,
        net::Blocking<'static, net::TcpStream>,
        net::Closing<'static>,
        net::Incoming,
        net::Incoming<&'static net::TcpListener>,
        net::Message,
        net::TcpListener,
        net::TcpStream,
        net::UdpSocket,
        net::UnixDatagram,
        net::UnixIncoming<'static>,
        net::UnixListener,
        net::UnixSeqpacket,
        net::UnixSeqpacketListener,
        net::UnixStream,
        net::WriteAllError,
        pipe::PipeReader,
        pipe::PipeWriter,
        pollable::Pollable<std::fs::File>,
        task::Named<()>,
        time::Elapsed,
        time::Interval,
        inspect::Builder,
        inspect::DirectoryProblem,
        inspect::Listen,
        inspect::ParseListenError,
        inspect::SecretProblem,
        inspect::Server,
        inspect::StartError,
        inspect::Tls,
        prometheus::Builder,
        prometheus::Server,
        prometheus::StartError,
        view::Auditor,
        view::Cause,
        view::EventKind,
        view::Exemplar,
        view::KernelView,
        view::Law,
        view::Page,
        view::PollerInfo,
        view::Reader,
        view::Registration,
        view::Row,
        view::Side,
        view::Snapshot,
        view::State,
        view::Stats,
        view::Waiter,
        view::Wake,
        view::dump::Trigger,
        view::lints::Lints,
        view::lints::Finding,
        view::lints::Lint,
        view::lints::Options,
        view::lints::Severity,
        view::lints::UnknownLint,
        view::recorder::Cursor,
        view::recorder::Event,
        view::recorder::Volume,
    ];
}

#[test]
fn a_socket_can_be_used_after_a_panic_that_it_was_held_across() {
    let poller = new_poller();
    let (a, b) = netpoller_tests::unix_pair(&poller);
    let panicked = catch_unwind(|| {
        netpoller::block_on(a.write_all(b"x")).unwrap();
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(panicked.is_err());
    let mut buf = [0; 1];
    let read = catch_unwind(AssertUnwindSafe(|| {
        netpoller::block_on(b.read(&mut buf)).unwrap()
    }));
    assert_eq!(read.unwrap(), 1);
}
