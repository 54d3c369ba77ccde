//! What goes on while something happens to the process: echoes, deadlines, connections, breaks, on
//! each form of the API. It counts what was done, and panics at the first thing that goes wrong.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_lite::future;
use netpoller::driver::ThreadDriver;
use netpoller::net::{TcpListener, TcpStream, UnixStream};
use netpoller::{Poller, block_on_poller, time};
use netpoller_tests::{Lane, assert_timeout, loopback, new_poller, tcp_pair, unix_pair, until};

/// How often each kind of work was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) echoes: AtomicU64,
    pub(super) blocking: AtomicU64,
    pub(super) deadlines: AtomicU64,
    pub(super) sleeps: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) tokio: AtomicU64,
}

impl Done {
    fn all(&self) -> [(&'static str, u64); 6] {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("echoes", read(&self.echoes)),
            ("blocking echoes", read(&self.blocking)),
            ("deadlines", read(&self.deadlines)),
            ("sleeps", read(&self.sleeps)),
            ("connections", read(&self.connections)),
            ("echoes in tokio", read(&self.tokio)),
        ]
    }
}

/// Work that goes on until it is stopped.
pub(super) struct Work {
    poller: Poller,
    stop: Arc<AtomicBool>,
    done: Arc<Done>,
    lanes: Vec<Lane<()>>,
}

/// What every lane has.
#[derive(Clone)]
struct Shift {
    poller: Poller,
    stop: Arc<AtomicBool>,
    done: Arc<Done>,
}

impl Shift {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}

impl Work {
    /// Starts it on a poller of its own.
    pub(super) fn start() -> Self {
        let poller = new_poller();
        let shift = Shift {
            poller: poller.clone(),
            stop: Arc::default(),
            done: Arc::default(),
        };
        let on = |work: fn(Shift)| {
            let shift = shift.clone();
            Lane::start(move || work(shift))
        };
        let lanes = vec![
            on(|shift| block_on_poller(&shift.poller.clone(), echo(shift))),
            on(blocking),
            on(|shift| block_on_poller(&shift.poller.clone(), deadlines(shift))),
            on(|shift| block_on_poller(&shift.poller.clone(), connections(shift))),
            on(in_tokio),
        ];
        let (stop, done) = (shift.stop.clone(), shift.done.clone());
        Self {
            poller,
            stop,
            done,
            lanes,
        }
    }

    pub(super) fn poller(&self) -> &Poller {
        &self.poller
    }

    /// Waits until each kind of work was done `times` times more.
    #[track_caller]
    pub(super) fn goes_on(&self, times: u64) {
        let before = self.done.all();
        until("each kind of work goes on", || {
            let advanced =
                |((_, now), (_, before)): (&(_, u64), &(_, u64))| now >= &(before + times);
            self.done.all().iter().zip(&before).all(advanced) || self.has_failed()
        });
        assert!(!self.has_failed(), "some work has ended, its lane says why");
    }

    fn has_failed(&self) -> bool {
        self.lanes.iter().any(Lane::is_finished)
    }

    /// Stops it, and checks that nobody is left and that the laws hold.
    #[track_caller]
    pub(super) fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        for lane in self.lanes {
            lane.join();
        }
        until("nobody waits", || self.poller.waiters() == 0);
        let laws = self.poller.audit_quiescent().unwrap();
        let broken: Vec<_> = laws
            .iter()
            .filter(|law| law.violated || law.lhs != law.rhs)
            .collect();
        assert!(!laws.is_empty() && broken.is_empty(), "{broken:?}");
        assert!(self.poller.rows().is_empty());
    }
}

/// One request and its answer, both ends in this task.
async fn one_echo(client: &TcpStream, server: &TcpStream) {
    let (mut asked, mut answer) = ([0; 4], [0; 4]);
    let serve = async {
        let n = server.read(&mut asked).await.expect("a request");
        server.write_all(&asked[..n]).await.expect("an answer");
        n
    };
    let ask = async {
        client.write_all(b"ping").await.expect("a request");
        client.read(&mut answer).await.expect("an answer")
    };
    assert_eq!(future::zip(serve, ask).await, (4, 4));
    assert_eq!(&answer, b"ping");
}

async fn echo(shift: Shift) {
    let (client, server) = tcp_pair(&shift.poller);
    while shift.goes_on() {
        one_echo(&client, &server).await;
        shift.done.echoes.fetch_add(1, Ordering::Relaxed);
    }
}

/// Both ends block, each on a thread of its own.
fn blocking(shift: Shift) {
    let (client, server) = unix_pair(&shift.poller);
    let serve = Lane::start(move || {
        let mut buf = [0; 4];
        loop {
            match server.blocking().read(&mut buf).expect("a request") {
                0 => return,
                n => server.blocking().write_all(&buf[..n]).expect("an answer"),
            }
        }
    });
    let mut buf = [0; 4];
    while shift.goes_on() {
        client.blocking().write_all(b"ping").expect("a request");
        client.blocking().read_exact(&mut buf).expect("an answer");
        assert_eq!(&buf, b"ping");
        shift.done.blocking.fetch_add(1, Ordering::Relaxed);
    }
    drop(client);
    serve.join();
}

/// Timeouts and sleeps, of which none may be early.
async fn deadlines(shift: Shift) {
    let (a, _b): (UnixStream, UnixStream) = unix_pair(&shift.poller);
    while shift.goes_on() {
        for time in [200, 1500, 3000].map(Duration::from_micros) {
            let deadline = Instant::now() + time;
            a.set_read_deadline(Some(deadline)).expect("it is open");
            assert_timeout(a.read(&mut [0]).await);
            assert!(Instant::now() >= deadline, "a deadline fires early");
            shift.done.deadlines.fetch_add(1, Ordering::Relaxed);

            let began = Instant::now();
            time::sleep(time).await;
            assert!(began.elapsed() >= time, "a sleep ends early");
            shift.done.sleeps.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Connections come and go.
async fn connections(shift: Shift) {
    let listener = shift
        .poller
        .in_scope(|| TcpListener::bind(loopback()))
        .expect("a listener");
    let address = listener.local_addr().expect("its address");
    while shift.goes_on() {
        let connect = shift.poller.in_scope(|| TcpStream::connect(address));
        let (client, accepted) = future::zip(connect, listener.accept()).await;
        let (client, (server, _)) = (client.expect("connected"), accepted.expect("accepted"));
        one_echo(&client, &server).await;
        shift.done.connections.fetch_add(1, Ordering::Relaxed);
    }
}

/// The same poller, nested in tokio's.
fn in_tokio(shift: Shift) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (client, server) = tcp_pair(&shift.poller);
        while shift.goes_on() {
            one_echo(&client, &server).await;
            let deadline = Instant::now() + Duration::from_micros(300);
            client
                .set_read_deadline(Some(deadline))
                .expect("it is open");
            assert_timeout(client.read(&mut [0]).await);
            assert!(Instant::now() >= deadline, "a deadline fires early");
            client.set_read_deadline(None).expect("it is open");
            shift.done.tokio.fetch_add(1, Ordering::Relaxed);
        }
    });
}

/// For those that want somebody to poll all the time.
pub(super) fn driven(poller: &Poller) -> ThreadDriver {
    ThreadDriver::start(poller).expect("a thread")
}
