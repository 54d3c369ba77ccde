//! A process that is stopped for a while and goes on. Monotonic time passes meanwhile: what expired
//! then fires afterwards, and what has time left takes that time.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use netpoller::net::UnixStream;
use netpoller::{Poller, time};
use netpoller_tests::program::kill;
use netpoller_tests::{Lane, assert_timeout, soon, unix_pair, until};
use rustix::process::Signal;

use super::process::state_of;
use super::work::Work;

/// How long the process stands still, each time.
const STOPPED: Duration = Duration::from_millis(60);

/// Deadlines that expire while it stands still, and long after.
const TIMES: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(250)];

const ROUNDS: usize = 5;

const INSIDE: &str = "NETPOLLER_TEST_SUSPENDED";
const NAME: &str = "suspend::deadlines_and_breaks_survive_a_stop_and_nothing_is_early";

#[test]
fn deadlines_and_breaks_survive_a_stop_and_nothing_is_early() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let mut child = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "--nocapture", NAME])
        .env(INSIDE, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("itself");
    let mut said = BufReader::new(child.stdout.take().expect("piped"));
    let mut tell = child.stdin.take().expect("piped");
    for round in 0..ROUNDS {
        ask(&mut tell, &mut said, "arm", "armed");
        stop_for_a_while(&child);
        ask(
            &mut tell,
            &mut said,
            "go on",
            &format!("round {round} is over"),
        );
    }
    ask(&mut tell, &mut said, "end", "balanced");
    drop(tell);
    assert!(child.wait().expect("its end").success());
}

/// Says something to the child and waits for its answer, in whatever line of the test's output.
#[track_caller]
fn ask(tell: &mut ChildStdin, said: &mut BufReader<ChildStdout>, what: &str, answer: &str) {
    writeln!(tell, "{what}").expect("it listens");
    let mut heard = String::new();
    loop {
        let mut line = String::new();
        let n = said.read_line(&mut line).expect("it speaks");
        heard.push_str(&line);
        assert!(n > 0, "it ended without saying {answer:?}: {heard}");
        if line.trim_end().ends_with(answer) {
            return;
        }
    }
}

fn stop_for_a_while(child: &Child) {
    kill(child.id(), Signal::STOP);
    until("it is stopped", || state_of(child.id()) == Some('T'));
    std::thread::sleep(STOPPED);
    kill(child.id(), Signal::CONT);
}

/// What the child does.
fn inside() {
    let lines = std::io::stdin().lines();
    let mut lines = lines.map(|line| line.expect("its parent speaks"));
    let mut hear = |expected: &str| assert_eq!(lines.next().as_deref(), Some(expected));
    let say = |what: &str| {
        println!("{what}");
        std::io::stdout().flush().expect("its parent listens");
    };
    let work = Work::start();
    let poller = work.poller().clone();
    work.goes_on(5);
    for round in 0..ROUNDS {
        hear("arm");
        let waiting = arm(&poller);
        let (a, b) = unix_pair(&poller);
        let (a, b) = (std::sync::Arc::new(a), b);
        let endless = {
            let a = a.clone();
            Lane::start(move || std::io::Read::read(&mut a.blocking(), &mut [0]))
        };
        until("the endless read waits", || is_waiting(&poller, a.id()));
        say("armed");
        hear("go on");
        // It sleeps without a limit, so that this needs a break.
        a.set_read_deadline(soon()).expect("it is open");
        assert_timeout(endless.join());
        drop(b);
        for lane in waiting {
            lane.join();
        }
        work.goes_on(10);
        say(&format!("round {round} is over"));
    }
    hear("end");
    work.finish();
    say("balanced");
}

fn is_waiting(poller: &Poller, id: netpoller::DescId) -> bool {
    let rows = poller.rows();
    rows.iter()
        .any(|row| row.id() == id && row.read.state == netpoller::view::State::Parked)
}

/// Deadlines on each form of the API.
fn arm(poller: &Poller) -> Vec<Lane<()>> {
    let mut lanes = Vec::new();
    for time in TIMES {
        let pair = || unix_pair(poller);
        let until = Instant::now() + time;
        let (a, b) = pair();
        lanes.push(Lane::start(move || {
            a.set_read_deadline(Some(until)).expect("it is open");
            assert_timeout(std::io::Read::read(&mut a.blocking(), &mut [0]));
            not_early(until);
            drop(b);
        }));
        let (a, b) = pair();
        lanes.push(Lane::block_on(poller, async move || {
            expire(a, b, until).await
        }));
        let (a, b) = pair();
        lanes.push(Lane::start(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build()
                .expect("a runtime");
            runtime.block_on(expire(a, b, until));
        }));
    }
    lanes
}

async fn expire(a: UnixStream, _b: UnixStream, until: Instant) {
    a.set_read_deadline(Some(until)).expect("it is open");
    assert_timeout(a.read(&mut [0]).await);
    not_early(until);
    // In tokio this one is the global poller's, nested too.
    let began = Instant::now();
    time::sleep(Duration::from_millis(5)).await;
    not_early(began + Duration::from_millis(5));
}

#[track_caller]
fn not_early(until: Instant) {
    assert!(Instant::now() >= until, "a deadline fires early");
}
