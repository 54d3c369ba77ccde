//! A program of which everything is known.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_lite::future;
use netpoller::net::{TcpListener, TcpStream};
use netpoller::{Poller, block_on_poller, task, time, view};
use netpoller_tests::{is_alone, loopback, std_tcp_pair, until};
use serde_json::Value;

use super::outside::{Outside, inode, number, proc_net_tcp};

const NAME: &str = "known";

/// What was done with a descriptor.
#[derive(Debug)]
struct Done {
    fd: RawFd,
    local: String,
    peer: String,
    opened_line: u32,
    received: u64,
    read: u64,
    sent: u64,
    /// Who is parked to read: task, line, and between which moments it began.
    parked: Option<(&'static str, u32, [u64; 2])>,
    deadline_in: Option<Duration>,
}

#[track_caller]
fn row(rows: &[Value], fd: RawFd) -> &Value {
    let row = rows.iter().find(|row| row["fd"] == fd);
    row.unwrap_or_else(|| panic!("no row of descriptor {fd} in {rows:#?}"))
}

#[track_caller]
fn assert_at(location: &Value, line: u32) {
    let expected = format!("truth/known.rs:{line}");
    let location = location.as_str().unwrap_or_default();
    assert!(
        location.ends_with(&expected),
        "{location} is not {expected}"
    );
}

/// The row as it is shown, against what was done and against /proc.
fn check(row: &Value, done: &Done) {
    let at = format!("{row:#}\nis not\n{done:#?}");
    assert_eq!(row["kind"], "tcp", "{at}");
    assert_eq!(row["local"], *done.local, "{at}");
    assert_eq!(row["peer"], *done.peer, "{at}");
    assert_at(&row["opened_location"], done.opened_line);
    assert_eq!(
        (&row["stale"], &row["closing"]),
        (&false.into(), &false.into())
    );
    let socket = &row["socket"];
    assert_eq!(socket["tcp_state"], "ESTABLISHED", "{at}");
    assert_eq!(socket["bytes_received"], done.received, "{at}");
    assert_eq!(socket["recvq"], done.received - done.read, "{at}");
    assert_eq!(socket["bytes_sent"], done.sent, "{at}");
    let proc = proc_net_tcp();
    let proc = &proc[&inode(done.fd.into()).expect("it is a socket")];
    assert_eq!(proc.local.to_string(), done.local, "{at}");
    assert_eq!(proc.peer.to_string(), done.peer, "{at}");
    assert_eq!(
        (proc.state, proc.recvq),
        (1, done.received - done.read),
        "{at}"
    );
    let side = &row["read"];
    match done.parked {
        None => assert_ne!(side["state"], "parked", "{at}"),
        Some((task, line, [before, after])) => {
            assert_eq!(side["state"], "parked", "{at}");
            let waiter = &side["waiter"];
            assert!(
                waiter["task"]
                    .as_str()
                    .is_some_and(|it| it.starts_with(task)),
                "{at}"
            );
            assert_eq!(waiter["thread"], "known-worker", "{at}");
            assert_at(&waiter["location"], line);
            let since = number(&side["since_ns"]);
            assert!((before..=after).contains(&since), "{at}");
        }
    }
    match done.deadline_in {
        None => assert_eq!(side["deadline_ns"], Value::Null, "{at}"),
        Some(_) => assert!(side["deadline_ns"].is_u64(), "{at}"),
    }
}

#[test]
fn each_number_of_a_known_program_is_what_it_did() {
    // The numbers of other tests' descriptors are nobody's business here.
    if !is_alone("known::each_number_of_a_known_program_is_what_it_did") {
        return;
    }
    let poller = Poller::builder().name(NAME).build().unwrap();
    let outside = Outside::new();
    let (said, told) = mpsc::channel();
    let (end, ends) = mpsc::channel::<()>();
    let worker = std::thread::Builder::new().name("known-worker".into());
    let thread = worker
        .spawn({
            let poller = poller.clone();
            move || block_on_poller(&poller.clone(), program(&poller, &said, &ends))
        })
        .unwrap();
    let (listener, done, waiters, deadline): Told = told.recv().unwrap();
    until("all are parked", || poller.info().waiters == 3);

    let rows = outside.rows(NAME, &["ls"]);
    assert_eq!(
        rows.len(),
        done.len() + 2,
        "they, the listener, and a sleep"
    );
    for done in &done {
        check(row(&rows, done.fd), done);
    }
    let listening = row(&rows, listener);
    assert_eq!(listening["kind"], "tcp_listener");
    assert_eq!(listening["socket"]["tcp_state"], "LISTEN");
    assert_eq!(listening["socket"]["acceptq"], 2);
    let proc = &proc_net_tcp()[&inode(listener.into()).unwrap()];
    assert_eq!((proc.state, proc.recvq), (10, 2));

    // All who wait, and nobody else.
    let waiting = outside.rows(NAME, &["ls", "waiters"]);
    assert_eq!(waiting.len(), 3, "{waiting:#?}");
    for task in ["bounded", "patient", "sleeper"] {
        let own = |row: &&Value| row["task"].as_str().is_some_and(|it| it.starts_with(task));
        assert_eq!(
            waiting.iter().filter(own).count(),
            1,
            "{task} in {waiting:#?}"
        );
    }
    for row in &waiting {
        assert!((waiters[0]..=waiters[1]).contains(&number(&row["since_ns"])));
    }
    let deadlines = outside.rows(NAME, &["ls", "deadlines"]);
    assert_eq!(deadlines.len(), 2, "{deadlines:#?}");
    for row in &deadlines {
        let at = number(&row["deadline_ns"]);
        assert!(
            (deadline[0]..=deadline[1]).contains(&at),
            "{row:#} {deadline:?}"
        );
    }
    let pollers = outside.ask(&["ls", "pollers"]);
    let own = pollers["items"].as_array().unwrap();
    let own = own.iter().find(|it| it["name"] == NAME).unwrap();
    assert_eq!(own["descriptors"], done.len() + 1);
    assert_eq!((&own["waiters"], &own["deadlines"]), (&3.into(), &2.into()));

    let stats = outside.rows(NAME, &["stats"]).remove(0);
    counters(&stats);
    assert!(
        !stats["laws"]
            .as_array()
            .unwrap()
            .iter()
            .any(|law| law["violated"] == true)
    );
    end.send(()).unwrap();
    poller.wake().unwrap();
    thread.join().unwrap();
}

/// How long the one wait that ended was, at least.
const DELAY: Duration = Duration::from_millis(120);

/// What the program did, in numbers.
fn counters(stats: &Value) {
    for (name, expected) in [
        ("opened", 6),
        ("opened_tcp", 4),
        ("opened_listener", 1),
        ("opened_timer", 1),
        ("closed", 0),
        ("evicted", 0),
        ("op_accept_ok", 1),
        ("sys_accept_ok", 1),
        ("op_read_ok", 8),
        ("sys_read_ok", 8),
        ("bytes_read", 705),
        ("op_read_timeout", 0),
        ("op_write_ok", 3),
        ("sys_write_ok", 3),
        ("sys_write_eagain", 0),
        ("bytes_written", 5_000),
        ("deadlines_fired", 0),
        ("spurious_read", 0),
        ("stale_events", 0),
    ] {
        assert_eq!(
            stats["counters"][name], expected,
            "{name}: {:#}",
            stats["counters"]
        );
    }
    // Two reads and a sleep are parked, and one read was.
    let read = &stats["transitions"]["read"];
    assert_eq!(read["park"], 4, "{read:#}");
    let histograms = stats["histograms"].as_array().unwrap();
    let of = |name: &str| histograms.iter().find(|it| it["name"] == name).unwrap();
    let parked = of("time_parked_read_io");
    assert_eq!(parked["count"], 1);
    let (shortest, longest) = (
        DELAY.as_nanos() as u64,
        Duration::from_secs(60).as_nanos() as u64,
    );
    for field in ["sum", "max", "p50"] {
        let time = number(&parked[field]);
        assert!((shortest..longest).contains(&time), "{field}: {parked:#}");
    }
    assert_eq!(of("wake_latency_read")["count"], 1);
    let share = |name: &str| number(&of(name)["sum"]);
    assert!(share("poller_to_waker") + share("waker_to_run") <= share("wake_latency_read") + 1_000);
}

type Told = (RawFd, Vec<Done>, [u64; 2], [u64; 2]);

/// It never yields but where it is known to.
async fn program(poller: &Poller, said: &mpsc::Sender<Told>, ends: &mpsc::Receiver<()>) {
    let listener = TcpListener::bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || std::net::TcpStream::connect(address).unwrap();
    let (mut first, _second, _third) = (connect(), connect(), connect());
    let (accepted, from) = listener.accept().await.unwrap();
    let accepted_line = line!() - 1;
    assert_eq!(from, first.local_addr().unwrap());

    // 1000 bytes come, and 700 are read in seven pieces.
    first.write_all(&[7; 1_000]).unwrap();
    until("they are there", || {
        proc_net_tcp()[&inode(accepted.as_raw_fd().into()).unwrap()].recvq == 1_000
    });
    for _ in 0..7 {
        assert_eq!(accepted.read(&mut [0; 100]).await.unwrap(), 100);
    }
    // 5000 go out in three.
    let (raw, mut taker) = std_tcp_pair();
    let writes = TcpStream::from_std(raw).unwrap();
    let opened = line!() - 1;
    for count in [1_000, 3_500, 500] {
        assert_eq!(writes.write(&vec![7; count]).await.unwrap(), count);
    }
    taker.read_exact(&mut [0; 5_000]).unwrap();

    // One waits for 120 ms and reads 5.
    let late = std::thread::spawn({
        let mut taker = taker.try_clone().unwrap();
        let poller = poller.clone();
        move || {
            until("it waits", || poller.info().waiters == 1);
            std::thread::sleep(DELAY + Duration::from_millis(5));
            taker.write_all(b"fives").unwrap();
        }
    });
    assert_eq!(writes.read(&mut [0; 16]).await.unwrap(), 5);
    late.join().unwrap();

    let [(patient, _one), (bounded, _other)] = [std_tcp_pair(), std_tcp_pair()];
    let patient = TcpStream::from_std(patient).unwrap();
    let bounded = TcpStream::from_std(bounded).unwrap();
    let lines = line!() - 1;
    let later = Duration::from_secs(600);
    let set_ns = view::now_ns();
    bounded
        .set_read_deadline(Some(Instant::now() + later))
        .unwrap();
    let mut buffers = [[0; 4]; 2];
    let [one, two] = &mut buffers;
    let before = view::now_ns();
    let mut waits = (
        Box::pin(task::named("patient", patient.read(one))),
        Box::pin(task::named("bounded", bounded.read(two))),
        Box::pin(task::named("sleeper", time::sleep(later))),
    );
    let wait_line = line!() - 4;
    assert!(future::poll_once(&mut waits.0).await.is_none());
    assert!(future::poll_once(&mut waits.1).await.is_none());
    assert!(future::poll_once(&mut waits.2).await.is_none());
    let after = view::now_ns();
    let deadline = [set_ns, after].map(|at| at + later.as_nanos() as u64);
    let parked = |task, line| Some((task, line, [before, after]));
    let done = |stream: &TcpStream, opened_line| Done {
        fd: stream.as_raw_fd(),
        local: stream.local_addr().unwrap().to_string(),
        peer: stream.peer_addr().unwrap().to_string(),
        opened_line,
        received: 0,
        read: 0,
        sent: 0,
        parked: None,
        deadline_in: None,
    };
    let all = vec![
        Done {
            received: 1_000,
            read: 700,
            ..done(&accepted, accepted_line)
        },
        Done {
            received: 5,
            read: 5,
            sent: 5_000,
            ..done(&writes, opened)
        },
        Done {
            parked: parked("patient", wait_line),
            ..done(&patient, lines - 1)
        },
        Done {
            parked: parked("bounded", wait_line + 1),
            deadline_in: Some(later),
            ..done(&bounded, lines)
        },
    ];
    said.send((listener.as_raw_fd(), all, [before, after], deadline))
        .unwrap();
    // It waits outside of the poller, so that nothing is counted meanwhile.
    ends.recv().unwrap();
}
