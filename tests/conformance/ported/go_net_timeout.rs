//! net/timeout_test.go: what the test `go` leaves out, deadlines of connections on which something
//! happens all the time.

use std::io::Write;
use std::time::{Duration, Instant};

use netpoller::net::TcpStream;
use netpoller::{Error, Poller, Sides, block_on_poller, time};
use netpoller_tests::{Lane, assert_timeout, deaf, new_poller, run, tcp_pair, unix_pair};

/// 1 ns to 250 ms, as in Go, whose longest are left out for the time they take.
const LADDER: [u64; 17] = [
    1,
    2,
    5,
    50,
    100,
    200,
    500,
    750,
    1_000,
    5_000,
    25_000,
    250_000,
    500_000,
    1_000_000,
    5_000_000,
    100_000_000,
    250_000_000,
];

/// Reads with every deadline of the ladder while somebody writes without end: each ends in a
/// timeout, and never early.
macro_rules! timeouts_amid_data {
    ($reader:expr, $writer:expr) => {{
        let (reader, writer) = ($reader, $writer);
        let mut buf = vec![0; 4096];
        for nanos in LADDER {
            let deadline = Instant::now() + Duration::from_nanos(nanos);
            reader.set_read_deadline(Some(deadline)).unwrap();
            let error = loop {
                if let Err(error) = reader.read(&mut buf).await {
                    break error;
                }
            };
            assert_eq!(Error::of(&error), Some(Error::DeadlineExceeded), "{error}");
            assert!(Instant::now() >= deadline, "early: {nanos} ns");
        }
        drop(reader);
        writer.join();
    }};
}

/// Go net/timeout_test.go TestVariousDeadlines: the peer writes without end, so a read seldom has
/// to wait for anything.
#[test]
fn various_deadlines_amid_data() {
    run(async |poller: Poller| {
        let (reader, writer) = tcp_pair(&poller);
        let writer = Lane::block_on(&poller, move || async move {
            while writer.write(&[b'a'; 4096]).await.is_ok() {}
        });
        timeouts_amid_data!(reader, writer);
    });
    run(async |poller: Poller| {
        let (reader, writer) = unix_pair(&poller);
        let writer = Lane::block_on(&poller, move || async move {
            while writer.write(&[b'a'; 4096]).await.is_ok() {}
        });
        timeouts_amid_data!(reader, writer);
    });
}

/// Go net/timeout_test.go TestVariousDeadlines1Proc: one thread, which always finds something to
/// read and so never polls. In Go the scheduler looks at the clock for it; here the read itself
/// must.
#[test]
fn various_deadlines_1proc() {
    Lane::start(|| {
        let poller = new_poller();
        let listener = std::net::TcpListener::bind(netpoller_tests::loopback()).unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        // A thread that has nothing to do with the poller.
        let writer = Lane::start(move || while server.write_all(&[b'a'; 65_536]).is_ok() {});
        let reader = poller.in_scope(|| TcpStream::from_std(client)).unwrap();
        block_on_poller(&poller, async move {
            // Byte by byte, so that there is always one more.
            let mut buf = [0; 1];
            for nanos in LADDER {
                let deadline = Instant::now() + Duration::from_nanos(nanos);
                reader.set_read_deadline(Some(deadline)).unwrap();
                let error = loop {
                    if let Err(error) = reader.read(&mut buf).await {
                        break error;
                    }
                };
                assert_eq!(Error::of(&error), Some(Error::DeadlineExceeded), "{error}");
                assert!(Instant::now() >= deadline, "early: {nanos} ns");
            }
        });
        writer.join();
    })
    .join();
}

/// Go net/timeout_test.go TestVariousDeadlines1Proc, of writes, and of calls of the user's own.
#[test]
fn various_deadlines_1proc_of_a_writer_and_of_a_pollable() {
    use netpoller::pollable::Pollable;
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    Lane::start(|| {
        let poller = new_poller();
        let (a, mut b) = UnixStream::pair().unwrap();
        let reader = Lane::start(move || while b.read(&mut [0; 65_536]).is_ok_and(|n| n > 0) {});
        let a = poller.in_scope(|| Pollable::new(a)).unwrap();
        block_on_poller(&poller, async move {
            for nanos in LADDER {
                let deadline = Instant::now() + Duration::from_nanos(nanos);
                a.set_deadline(Some(deadline), Sides::Write).unwrap();
                let error = loop {
                    if let Err(error) = a.write_with(|mut a| a.write(b"x")).await {
                        break error;
                    }
                };
                assert_eq!(Error::of(&error), Some(Error::DeadlineExceeded), "{error}");
                assert!(Instant::now() >= deadline, "early: {nanos} ns");
            }
        });
        reader.join();
    })
    .join();
}

/// Go net/timeout_test.go TestDialTimeout: of a timeout and a deadline the earlier one wins.
#[test]
fn dial_timeout_the_earlier_of_two_limits_wins() {
    run(async |_| {
        let (listener, _filling) = deaf();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let hour = Duration::from_secs(3600);
        let short = Duration::from_millis(10);

        let began = Instant::now();
        let dial = TcpStream::connect_by(address, began + hour);
        time::timeout(short, dial).await.unwrap_err();
        assert!(began.elapsed() >= short, "early");

        let began = Instant::now();
        let dial = TcpStream::connect_by(address, began + short);
        assert_timeout(time::timeout(hour, dial).await.expect("the deadline wins"));
        assert!(began.elapsed() >= short, "early");
    });
}

/// Go net/timeout_test.go TestWriteToTimeout: datagrams sent as fast as can be, with a deadline
/// that comes: what is sent before is sent whole, or the kernel has no room for it (ENOBUFS), and
/// the end is a timeout.
#[test]
fn write_to_timeout_amid_datagrams() {
    run(async |poller: Poller| {
        let (a, b) = netpoller_tests::udp_pair(&poller);
        let deadline = Instant::now() + Duration::from_millis(20);
        a.set_write_deadline(Some(deadline)).unwrap();
        let error = loop {
            match a.send(&[7; 100]).await {
                Ok(n) => assert_eq!(n, 100),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(Error::of(&error), Some(Error::DeadlineExceeded), "{error}");
        assert!(Instant::now() >= deadline, "early");
        drop(b);
    });
}
