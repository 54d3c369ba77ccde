//! What each line has opened and closed, against a model: whatever becomes of a descriptor, it is
//! counted as open at its line until it is closed, and once.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Opens one at this line.
    Open(usize),
    /// The kernel refuses it.
    Refuse(usize),
    /// It is registered already.
    Again(usize),
    Close(usize),
    /// Throws its users off, which closes nothing.
    Evict(usize),
    /// The same, by somebody who does not own it.
    EvictFromOutside(usize),
    /// Parks a reader, who is there when it is closed.
    Park(usize),
    /// Its number is given to another file behind the poller's back.
    TakeOver(usize),
    /// Begins a sleep, and ends it.
    Sleep(usize),
}

const LINES: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let any = 0..8_usize;
    prop_oneof![
        8 => (0..LINES).prop_map(Step::Open),
        1 => (0..LINES).prop_map(Step::Refuse),
        1 => any.clone().prop_map(Step::Again),
        5 => any.clone().prop_map(Step::Close),
        2 => any.clone().prop_map(Step::Evict),
        2 => any.clone().prop_map(Step::EvictFromOutside),
        2 => any.clone().prop_map(Step::Park),
        2 => any.prop_map(Step::TakeOver),
        1 => (0..LINES).prop_map(Step::Sleep),
    ]
}

/// A descriptor, and the line that opened it. Given up in this order.
struct Open {
    desc: Desc,
    line: usize,
    file: OwnedFd,
    _peer: UnixStream,
}

fn lines() -> [&'static Location<'static>; LINES] {
    #[rustfmt::skip]
    let lines = [
        Location::caller(),
        Location::caller(),
        Location::caller(),
    ];
    lines
}

fn run(steps: Vec<Step>) {
    let poller = Poller::builder().build().unwrap();
    let lines = lines();
    let mut open: Vec<Open> = Vec::new();
    let mut model = [(0, 0); LINES];
    for step in steps {
        let pick = |open: &[Open], index: usize| index.checked_rem(open.len());
        let pair = || {
            let (ours, peer) = UnixStream::pair().unwrap();
            (OwnedFd::from(ours), peer)
        };
        match step {
            Step::Open(line) => {
                let (file, _peer) = pair();
                let desc = poller.open_at(file.as_raw_fd(), Kind::Unix, lines[line]);
                open.push(Open {
                    desc: desc.unwrap(),
                    line,
                    file,
                    _peer,
                });
                model[line].0 += 1;
            }
            Step::Refuse(line) => {
                let folder = std::fs::File::open("/").unwrap();
                let refused = poller.open_at(folder.as_raw_fd(), Kind::Other, lines[line]);
                assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EPERM));
            }
            Step::Again(index) => {
                if let Some(index) = pick(&open, index) {
                    let Open { line, file, .. } = &open[index];
                    // One that was taken over is another file, which nobody has registered.
                    if let Ok(desc) = poller.open_at(file.as_raw_fd(), Kind::Unix, lines[*line]) {
                        desc.close();
                        model[*line].0 += 1;
                        model[*line].1 += 1;
                    }
                }
            }
            Step::Close(index) => {
                if let Some(index) = pick(&open, index) {
                    let Open { desc, line, .. } = open.swap_remove(index);
                    desc.close();
                    model[line].1 += 1;
                }
            }
            Step::Evict(index) => {
                if let Some(index) = pick(&open, index) {
                    open[index].desc.unblock();
                }
            }
            Step::EvictFromOutside(index) => {
                if let Some(index) = pick(&open, index) {
                    poller.evict(open[index].desc.id());
                }
            }
            Step::Park(index) => {
                if let Some(index) = pick(&open, index) {
                    let cx = &mut Context::from_waker(Waker::noop());
                    let _ = open[index].desc.poll_wait(Read, lines[0], false, cx);
                }
            }
            Step::TakeOver(index) => {
                if let Some(index) = pick(&open, index) {
                    let (other, _peer) = pair();
                    crate::sys::replace(other.as_fd(), &open[index].file).unwrap();
                }
            }
            Step::Sleep(line) => {
                let timer = poller.open_timer(lines[line]).unwrap();
                check(&poller, &lines, &model);
                timer.close();
            }
        }
        check(&poller, &lines, &model);
        let live = |line| open.iter().filter(|it| it.line == line).count() as u64;
        for (line, (opened, closed)) in model.iter().enumerate() {
            assert_eq!(opened - closed, live(line), "after {step:?}");
        }
    }
}

/// The table says what the model says, and the rows agree.
fn check(
    poller: &Poller,
    lines: &[&'static Location<'static>; LINES],
    model: &[(u64, u64); LINES],
) {
    let sites = poller.sites();
    for (at, (opened, closed)) in lines.iter().zip(model) {
        let site = sites.iter().find(|site| site.location == Some(at));
        let found = site.map_or((0, 0), |site| (site.opened, site.closed));
        assert_eq!(found, (*opened, *closed));
        let rows = poller.rows().into_iter();
        let rows = rows.filter(|row| row.fd >= 0 && row.opened_location == Some(at));
        assert_eq!(rows.count() as u64, opened - closed);
    }
    let known: u64 = sites.iter().map(|site| site.opened).sum();
    assert_eq!(known, model.iter().map(|(opened, _)| opened).sum::<u64>());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn a_line_has_as_many_open_as_it_opened_without_those_that_were_closed(
        steps in proptest::collection::vec(step(), 1..50)
    ) {
        run(steps);
    }
}

#[test]
fn threads_that_open_close_and_evict_leave_each_line_with_what_is_open() {
    let poller = Poller::builder().build().unwrap();
    let lines = lines();
    let kept: Vec<Vec<Open>> = std::thread::scope(|scope| {
        let churn = |thread: usize| {
            let (poller, lines) = (&poller, &lines);
            move || {
                let mut kept = Vec::new();
                for round in 0..200 {
                    let (file, _peer) = UnixStream::pair().unwrap();
                    let (file, line) = (OwnedFd::from(file), (thread + round) % LINES);
                    let desc = poller
                        .open_at(file.as_raw_fd(), Kind::Unix, lines[line])
                        .unwrap();
                    if round % 3 == 0 {
                        poller.evict(desc.id());
                    }
                    if round % 10 == 0 {
                        kept.push(Open {
                            desc,
                            line,
                            file,
                            _peer,
                        });
                    }
                }
                kept
            }
        };
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(churn(thread))).collect();
        // Whoever looks meanwhile never sees more closed than opened.
        while !threads.iter().all(|thread| thread.is_finished()) {
            assert!(poller.sites().iter().all(|it| it.closed <= it.opened));
        }
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let mut live = 0;
    for (line, at) in lines.iter().enumerate() {
        let sites = poller.sites();
        let site = sites.iter().find(|site| site.location == Some(at)).unwrap();
        let open = kept.iter().flatten().filter(|it| it.line == line).count();
        assert_eq!(site.live(), open as u64);
        live += open;
    }
    assert_eq!((live, poller.stats().info().descriptors), (80, 80));
    drop(kept);
    assert!(poller.sites().iter().all(|site| site.live() == 0));
}
