//! The controller: executes the lines of a script in order.

use std::collections::HashMap;
use std::io;
use std::net::Shutdown;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::form::{Engine, Form};
use super::lane::{Cell, End, Lane};
use super::make::{Make, Place};
use super::outcome::Outcome;
use super::parked::{is_locked_out, is_parked};
use super::script::{Call, Kind, Line, Op, Script};
use super::thing::{Thing, misused};
use super::work::{Io, Work};

/// After this time an operation hangs.
const LIMIT: Duration = Duration::from_secs(30);

/// Later than this after its deadline, a timeout is very late.
const VERY_LATE: Duration = Duration::from_millis(200);

/// What became of a script.
#[derive(Clone, Debug)]
pub struct Report {
    /// The script's name.
    pub name: String,
    /// The lines that print, and what they printed.
    pub lines: Vec<(String, String)>,
    /// What was wrong with the poller when everything was closed: a law that does not hold, a
    /// waiter that is left.
    pub faults: Vec<String>,
    /// How each lane had ended before everything was closed, whether the script asked or not.
    pub ends: Vec<String>,
}

/// Runs `script` with a poller of its own.
///
/// # Errors
///
/// If the machine has no thread, descriptor or directory for it; what the library says becomes an
/// outcome.
pub fn run(script: &Script, form: Form, threads: usize) -> io::Result<Report> {
    run_while(script, form, threads, |_| true)
}

/// [`run`] for as long as `go_on` wants more, having seen what was printed. Then everything is
/// closed as at the end.
///
/// # Errors
///
/// As [`run`].
pub fn run_while(
    script: &Script,
    form: Form,
    threads: usize,
    mut go_on: impl FnMut(&[(String, String)]) -> bool,
) -> io::Result<Report> {
    let mut controller = Controller {
        engine: Engine::start(form, threads)?,
        place: Place::new()?,
        things: HashMap::new(),
        kept: Vec::new(),
        lanes: HashMap::new(),
        started: Vec::new(),
        deadline: None,
    };
    let mut lines = Vec::new();
    for line in &script.lines {
        let outcome = match controller.execute(line) {
            // What should have made it has failed, and said so.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some("MISSING".to_owned()),
            outcome => outcome?,
        };
        if let Some(outcome) = outcome {
            lines.push((line.text.clone(), outcome));
        }
        if !go_on(&lines) {
            break;
        }
    }
    Ok(Report {
        name: script.name.clone(),
        lines,
        ends: controller.ends(),
        faults: controller.finish(),
    })
}

struct Controller {
    engine: Engine,
    place: Place,
    things: HashMap<String, Arc<Thing>>,
    /// Whatever had a name, also if the name is another's by now: nothing is closed but by the
    /// script.
    kept: Vec<Arc<Thing>>,
    lanes: HashMap<String, Lane>,
    started: Vec<Lane>,
    /// Set last, whatever for.
    deadline: Option<Instant>,
}

impl Controller {
    /// Executes a line and says what it prints, if anything.
    fn execute(&mut self, line: &Line) -> io::Result<Option<String>> {
        let mut silent = false;
        let outcome = match &line.op {
            Op::Call(call) => {
                // A dial is a beginning as a pair is one; a failure is an outcome.
                silent = matches!(call, Call::Dial { .. });
                let (work, on) = self.work(call)?;
                let cell = self.engine.go("controller", work)?;
                let end = self.end_of(&cell);
                self.name_made(call, None, &cell);
                if cell.wait(Duration::ZERO).is_none() {
                    // It goes on, and others may have to wait for it.
                    self.start("controller", Some(call.clone()), on, cell);
                }
                end
            }
            Op::Close { on } => self.at_once(Work::Io(self.thing(on)?, Io::Close))?,
            Op::Rst { on } => self.at_once(Work::Io(self.thing(on)?, Io::Rst))?,
            Op::Shut { on, write } => {
                let how = if *write {
                    Shutdown::Write
                } else {
                    Shutdown::Read
                };
                Outcome::plain(self.thing(on)?.shutdown(how))
            }
            Op::Deadline { sides, on, when } => {
                let deadline = when.instant();
                self.deadline = deadline.or(self.deadline);
                Outcome::plain(self.thing(on)?.set_deadline(*sides, deadline))
            }
            Op::Bufs { on, size } => {
                silent = true;
                Outcome::plain(self.thing(on)?.set_buffers(*size))
            }
            Op::Inline { on } => {
                silent = true;
                let set = |socket: socket2::SockRef<'_>| socket.set_out_of_band_inline(true);
                Outcome::plain(self.thing(on)?.with_tcp(set))
            }
            Op::DialDead => self.make(Make::DialDead, &[])?,
            Op::DialTo { when } => self.make(Make::DialTo(*when), &[])?,
            Op::Go { lane, call } => {
                self.go(lane, call)?;
                return Ok(None);
            }
            Op::GoClose { lane, on } => {
                let work = Work::Io(self.thing(on)?, Io::Close);
                let cell = self.engine.go(lane, work)?;
                self.start(lane, None, None, cell);
                return Ok(None);
            }
            Op::Parked { lane, lock } => return Ok(Some(self.parked(lane, *lock)?)),
            Op::Done { lane } => return Ok(Some(self.done(lane, line)?)),
            Op::Blocked { lane, time } => {
                let cell = self.lane(lane)?.cell.clone();
                return Ok(Some(match cell.wait(*time) {
                    Some(end) => format!("RETURNED {}", end.outcome),
                    None => "BLOCKED".to_owned(),
                }));
            }
            Op::Sleep { time } => {
                std::thread::sleep(*time);
                return Ok(None);
            }
            setup => {
                silent = true;
                self.set_up(setup)?
            }
        };
        Ok((!silent || !outcome.is_ok()).then(|| outcome.text(line.masked)))
    }

    fn set_up(&mut self, op: &Op) -> io::Result<Outcome> {
        let place = self.place.clone();
        match op {
            Op::Pair { kind, a, b } => self.make(Make::Pair(*kind, place), &[a, b]),
            Op::Listen { kind, name } => self.make(Make::Listener(*kind, place), &[name]),
            Op::Udp { name } => self.make(Make::Udp, &[name]),
            Op::Unixgram { name } => self.make(Make::Unixgram(place), &[name]),
            Op::Pipe { reader, writer } => self.make(Make::Pipe, &[reader, writer]),
            Op::Fifo { name } => self.make(Make::Fifo(place), &[name]),
            Op::Open { access, name, fifo } => {
                let path = self.path_of(fifo)?;
                self.make(Make::Open(*access, path), &[name])
            }
            Op::File { name } => self.make(Make::File, &[name]),
            Op::Dup { of, name } => self.make(Make::Dup(self.thing(of)?), &[name]),
            _ => Err(misused()),
        }
    }

    /// Makes things and gives them names.
    fn make(&mut self, make: Make, names: &[&String]) -> io::Result<Outcome> {
        let cell = self.engine.go("controller", Work::Make(make))?;
        let outcome = self.end_of(&cell);
        let mut names = names.iter();
        for thing in cell.take_made() {
            let thing = Arc::new(thing);
            self.kept.push(thing.clone());
            if let Some(name) = names.next() {
                self.things.insert((*name).clone(), thing);
            }
        }
        Ok(outcome)
    }

    fn at_once(&self, work: Work) -> io::Result<Outcome> {
        let cell = self.engine.go("controller", work)?;
        Ok(self.end_of(&cell))
    }

    fn end_of(&self, cell: &Cell) -> Outcome {
        cell.wait(LIMIT)
            .map_or_else(Outcome::hang, |end| end.outcome)
    }

    fn thing(&self, name: &str) -> io::Result<Arc<Thing>> {
        (self.things.get(name).cloned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn path_of(&self, fifo: &str) -> io::Result<PathBuf> {
        match &*self.thing(fifo)? {
            Thing::Fifo(path) => Ok(path.clone()),
            _ => Err(misused()),
        }
    }

    fn lane(&self, name: &str) -> io::Result<&Lane> {
        (self.lanes.get(name)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The operation with what it works on.
    fn work(&self, call: &Call) -> io::Result<(Work, Option<Arc<Thing>>)> {
        let io = |on: &String, io| {
            let on = self.thing(on)?;
            Ok((Work::Io(on.clone(), io), Some(on)))
        };
        match call {
            Call::Read { on, size } => io(on, Io::Read(*size)),
            Call::Write { on, size } => io(on, Io::Write(*size)),
            Call::Readv { on, sizes } => io(on, Io::Readv(sizes.clone())),
            Call::Writev { on, sizes } => io(on, Io::Writev(sizes.clone())),
            Call::Recvfrom { on, size } => io(on, Io::Recvfrom(*size)),
            Call::Accept { on } => io(on, Io::Accept),
            Call::Oob { on } => io(on, Io::Oob),
            Call::Readoob { on } => io(on, Io::Readoob),
            Call::Sendto { from, to, size } => {
                let from = self.thing(from)?;
                let to = self.thing(to)?.address()?;
                Ok((Work::Sendto(from.clone(), to, *size), Some(from)))
            }
            Call::Dial { to, .. } => {
                let listener = self.thing(to)?;
                let kind = match &*listener {
                    Thing::TcpListener(..) => Kind::TcpListener,
                    Thing::UnixListener(..) => Kind::UnixListener,
                    _ => Kind::PacketListener,
                };
                Ok((Work::Dial(kind, listener.address()?), None))
            }
        }
    }

    /// Gives what an operation made its names.
    fn name_made(&mut self, call: &Call, lane: Option<&str>, cell: &Cell) {
        for thing in cell.take_made() {
            let thing = Arc::new(thing);
            self.kept.push(thing.clone());
            match call {
                Call::Accept { on } => {
                    if let Some(lane) = lane {
                        self.things.insert(format!("{lane}.acc"), thing.clone());
                    }
                    self.things.insert(format!("{on}.acc"), thing);
                }
                Call::Dial { name, .. } => {
                    self.things.insert(name.clone(), thing);
                }
                _ => {}
            }
        }
    }

    fn go(&mut self, name: &str, call: &Call) -> io::Result<()> {
        let (work, on) = self.work(call)?;
        let cell = self.engine.go(name, work)?;
        self.start(name, Some(call.clone()), on, cell);
        Ok(())
    }

    fn start(&mut self, name: &str, call: Option<Call>, on: Option<Arc<Thing>>, cell: Arc<Cell>) {
        let lane = Lane {
            name: name.to_owned(),
            number: self.started.len(),
            call,
            on,
            cell,
        };
        self.started.push(lane.clone());
        self.lanes.insert(name.to_owned(), lane);
    }

    /// Waits until the lane is parked, looking again every now and then.
    fn parked(&self, name: &str, lock: bool) -> io::Result<String> {
        let lane = self.lane(name)?;
        let poller = self.engine.poller();
        let began = Instant::now();
        loop {
            if let Some(end) = lane.cell.wait(Duration::ZERO) {
                return Ok(format!("NOTPARKED {}", end.outcome));
            }
            let others = self.beside(lane);
            let is = if lock {
                is_locked_out(poller, lane, &others)
            } else {
                is_parked(poller, lane)
            };
            if is {
                return Ok("PARKED".to_owned());
            }
            if began.elapsed() > LIMIT {
                return Ok("HANG".to_owned());
            }
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    /// The other lanes that run on the same thing in the same direction.
    fn beside(&self, lane: &Lane) -> Vec<&Lane> {
        let Some((on, direction)) = lane.waits_for() else {
            return Vec::new();
        };
        let beside = |other: &&Lane| {
            other.number != lane.number
                && (other.waits_for())
                    .is_some_and(|(its, d)| d == direction && Arc::ptr_eq(its, on))
                && other.cell.wait(Duration::ZERO).is_none()
        };
        self.started.iter().filter(beside).collect()
    }

    fn done(&mut self, name: &str, line: &Line) -> io::Result<String> {
        let lane = self.lane(name)?.clone();
        let Some(end) = lane.cell.wait(LIMIT) else {
            return Ok(Outcome::hang().to_string());
        };
        if let Some(call) = &lane.call {
            self.name_made(call, Some(name), &lane.cell);
        }
        let mut text = end.outcome.text(line.masked);
        if line.late {
            text.push(' ');
            text.push_str(self.lateness(&end));
        }
        Ok(text)
    }

    fn lateness(&self, end: &End) -> &'static str {
        match self.deadline {
            Some(deadline) if end.at < deadline => "EARLY",
            Some(deadline) if end.at > deadline + VERY_LATE => "VERYLATE",
            _ => "ontime",
        }
    }

    fn ends(&self) -> Vec<String> {
        let end = |lane: &Lane| Some((lane.name.clone(), lane.cell.wait(Duration::ZERO)?.outcome));
        let ends = self.started.iter().filter_map(end);
        ends.map(|(lane, outcome)| format!("{lane} -> {outcome}"))
            .collect()
    }

    /// Closes everything and looks whether the poller is as it was before.
    fn finish(self) -> Vec<String> {
        let mut faults = Vec::new();
        for thing in &self.kept {
            thing.give_up();
        }
        for lane in &self.started {
            if lane.cell.wait(LIMIT).is_none() {
                faults.push(format!(
                    "lane {} goes on although everything is closed",
                    lane.name
                ));
            }
            for thing in lane.cell.take_made() {
                thing.give_up();
            }
        }
        drop((self.things, self.kept, self.lanes, self.started));
        let poller = self.engine.stop();
        let broken = poller.audit_quiescent().expect("no forked child");
        faults.extend(
            (broken.iter())
                .filter(|law| law.violated)
                .map(|law| format!("the poller breaks a law: {law:?}")),
        );
        faults
    }
}
