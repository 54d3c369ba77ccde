//! The lines of one script, by the names that it has given so far.

use std::collections::HashMap;

use netpoller::Sides;

use super::usage::{USAGE, usage};
use super::words::{Fault, duration, listener, moment, pair, size, sizes};
use crate::oracle::script::{Access, Call, Kind, Line, Op};

/// The names that are known at a line.
#[derive(Default)]
pub(super) struct Scope {
    kinds: HashMap<String, Kind>,
    lanes: HashMap<String, Option<Call>>,
}

impl Scope {
    /// One line, whose names are then known.
    pub(super) fn line(&mut self, text: &str, number: usize) -> Result<Line, Fault> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let (mut late, mut masked) = (false, false);
        while let Some(last) = words.last() {
            match *last {
                "late" if !late => late = true,
                "n*" if !masked => masked = true,
                _ => break,
            }
            words.pop();
        }
        let op = self.op(&words)?;
        let counts = matches!(op, Op::Done { .. } | Op::Call(_));
        if late && !matches!(op, Op::Done { .. }) {
            let remedy = "only `done L late` compares with the deadline".to_owned();
            return Err(("`late` has nothing to compare".to_owned(), remedy));
        }
        if masked && !counts {
            let remedy = "it stands behind `done` and operations that count".to_owned();
            return Err(("`n*` has no count to hide".to_owned(), remedy));
        }
        Ok(Line {
            text: text.to_owned(),
            number,
            op,
            late,
            masked,
        })
    }

    fn op(&mut self, words: &[&str]) -> Result<Op, Fault> {
        let name = |word: &str| word.to_owned();
        let op = match *words {
            ["pair", kind, a, b] => {
                let (pair, kind) = pair(kind)?;
                self.define(a, kind)?;
                self.define(b, kind)?;
                Op::Pair {
                    kind: pair,
                    a: name(a),
                    b: name(b),
                }
            }
            ["listen", kind, l] => {
                let kind = listener(kind)?;
                self.define(l, kind)?;
                Op::Listen {
                    kind,
                    name: name(l),
                }
            }
            ["udp", u] => {
                self.define(u, Kind::Udp)?;
                Op::Udp { name: name(u) }
            }
            ["unixgram", u] => {
                self.define(u, Kind::Gram)?;
                Op::Unixgram { name: name(u) }
            }
            ["pipe", r, w] => {
                self.define(r, Kind::Reader)?;
                self.define(w, Kind::Writer)?;
                Op::Pipe {
                    reader: name(r),
                    writer: name(w),
                }
            }
            ["fifo", f] => {
                self.define(f, Kind::Fifo)?;
                Op::Fifo { name: name(f) }
            }
            [open @ ("openr" | "openw" | "openrw"), x, f] => {
                self.expect(f, "a FIFO's path", |kind| kind == Kind::Fifo)?;
                let (access, kind) = match open {
                    "openr" => (Access::Read, Kind::Reader),
                    "openw" => (Access::Write, Kind::Writer),
                    _ => (Access::ReadWrite, Kind::Reader),
                };
                self.define(x, kind)?;
                Op::Open {
                    access,
                    name: name(x),
                    fifo: name(f),
                }
            }
            ["file", f] => {
                self.define(f, Kind::File)?;
                Op::File { name: name(f) }
            }
            ["dup", x, y] => {
                let what = "a TCP or Unix stream or an end of a pipe";
                let kind = self.expect(x, what, |kind| kind.is_stream() && kind != Kind::File)?;
                self.define(y, kind)?;
                Op::Dup {
                    of: name(x),
                    name: name(y),
                }
            }
            ["bufs", x, n] => {
                self.expect(x, "a socket", Kind::is_socket)?;
                Op::Bufs {
                    on: name(x),
                    size: size(n)?,
                }
            }
            ["inline", x] => {
                self.expect(x, "a TCP connection", |kind| kind == Kind::Tcp)?;
                Op::Inline { on: name(x) }
            }
            [word @ ("rdl" | "wdl" | "dl"), x, when] => {
                let sides = match word {
                    "rdl" => Sides::Read,
                    "wdl" => Sides::Write,
                    _ => Sides::Both,
                };
                self.expect(x, "something open", |kind| kind != Kind::Fifo)?;
                Op::Deadline {
                    sides,
                    on: name(x),
                    when: moment(when)?,
                }
            }
            ["dialdead"] => Op::DialDead,
            ["dialto", when] => Op::DialTo {
                when: moment(when)?,
            },
            ["go", lane, ref call @ ..] => {
                let call = self.call(call)?;
                if let Call::Accept { on } = &call
                    && let Some(kind) = self.kinds.get(on).and_then(|kind| kind.accepted())
                {
                    self.kinds.insert(format!("{lane}.acc"), kind);
                }
                self.lanes.insert(name(lane), Some(call.clone()));
                Op::Go {
                    lane: name(lane),
                    call,
                }
            }
            ["goclose", lane, x] => {
                self.expect(x, "something open", |kind| kind != Kind::Fifo)?;
                self.lanes.insert(name(lane), None);
                Op::GoClose {
                    lane: name(lane),
                    on: name(x),
                }
            }
            ["parked", lane, ref lock @ ..] if matches!(lock, [] | ["lock"]) => {
                let waits = self.lane(lane)?.as_ref().is_some_and(|call| {
                    let on = call.waits_for().and_then(|(on, _)| self.kinds.get(on));
                    on.is_some_and(|kind| *kind != Kind::File)
                });
                if !waits {
                    let remedy =
                        "only reads, writes and accepts of a pollable descriptor park".to_owned();
                    return Err((format!("lane `{lane}` cannot be parked"), remedy));
                }
                Op::Parked {
                    lane: name(lane),
                    lock: !lock.is_empty(),
                }
            }
            ["done", lane] => {
                self.lane(lane)?;
                Op::Done { lane: name(lane) }
            }
            ["blocked", lane, time] => {
                self.lane(lane)?;
                Op::Blocked {
                    lane: name(lane),
                    time: duration(time)?,
                }
            }
            ["close", x] => {
                self.expect(x, "something open", |kind| kind != Kind::Fifo)?;
                Op::Close { on: name(x) }
            }
            ["rst", x] => {
                self.expect(x, "a TCP connection", |kind| kind == Kind::Tcp)?;
                Op::Rst { on: name(x) }
            }
            [shut @ ("shutr" | "shutw"), x] => {
                let connected = |kind| matches!(kind, Kind::Tcp | Kind::Unix | Kind::Packet);
                self.expect(x, "a connection", connected)?;
                Op::Shut {
                    on: name(x),
                    write: shut == "shutw",
                }
            }
            ["sleep", time] => Op::Sleep {
                time: duration(time)?,
            },
            _ => Op::Call(self.call(words)?),
        };
        Ok(op)
    }

    fn call(&mut self, words: &[&str]) -> Result<Call, Fault> {
        let name = |word: &str| word.to_owned();
        let call = match *words {
            ["read", x, n] => {
                self.expect(x, "something to read", Kind::reads)?;
                Call::Read {
                    on: name(x),
                    size: size(n)?,
                }
            }
            ["write", x, n] => {
                self.expect(x, "something to write to", Kind::writes)?;
                Call::Write {
                    on: name(x),
                    size: size(n)?,
                }
            }
            ["readv", x, n] => {
                let streams = |kind: Kind| kind.reads() && kind.is_stream() && kind != Kind::File;
                self.expect(x, "a stream to read", streams)?;
                Call::Readv {
                    on: name(x),
                    sizes: sizes(n)?,
                }
            }
            ["writev", x, n] => {
                let streams = |kind| matches!(kind, Kind::Tcp | Kind::Unix);
                self.expect(x, "a TCP or Unix stream", streams)?;
                Call::Writev {
                    on: name(x),
                    sizes: sizes(n)?,
                }
            }
            ["recvfrom", x, n] => {
                self.expect(x, "a datagram socket", Kind::is_datagram)?;
                Call::Recvfrom {
                    on: name(x),
                    size: size(n)?,
                }
            }
            ["sendto", u, v, n] => {
                let kind = self.expect(u, "a datagram socket", Kind::is_datagram)?;
                self.expect(v, kind.describe(), |to| to == kind)?;
                Call::Sendto {
                    from: name(u),
                    to: name(v),
                    size: size(n)?,
                }
            }
            ["accept", l] => {
                let kind = self.expect(l, "a listener", |kind| kind.accepted().is_some())?;
                if let Some(kind) = kind.accepted() {
                    self.kinds.insert(format!("{l}.acc"), kind);
                }
                Call::Accept { on: name(l) }
            }
            ["dial", c, l] => {
                let kind = self.expect(l, "a listener", |kind| kind.accepted().is_some())?;
                if let Some(kind) = kind.accepted() {
                    self.define(c, kind)?;
                }
                Call::Dial {
                    name: name(c),
                    to: name(l),
                }
            }
            ["oob", x] => {
                self.expect(x, "a TCP connection", |kind| kind == Kind::Tcp)?;
                Call::Oob { on: name(x) }
            }
            ["readoob", x] => {
                self.expect(x, "a TCP connection", |kind| kind == Kind::Tcp)?;
                Call::Readoob { on: name(x) }
            }
            [] => {
                let remedy = usage("go");
                return Err(("`go` needs a lane and an operation".to_owned(), remedy));
            }
            [word, ..] => {
                let known = word == "shutw" || USAGE.iter().any(|(known, _)| *known == word);
                let what = if known {
                    format!("`{}` is not how `{word}` is written", words.join(" "))
                } else {
                    format!("`{word}` is no word of the language")
                };
                return Err((what, usage(word)));
            }
        };
        Ok(call)
    }

    fn define(&mut self, name: &str, kind: Kind) -> Result<(), Fault> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(allowed) {
            let remedy = "use letters, digits and _".to_owned();
            return Err((format!("`{name}` cannot be a name"), remedy));
        }
        self.kinds.insert(name.to_owned(), kind);
        Ok(())
    }

    fn expect(
        &self,
        name: &str,
        what: &str,
        fits: impl FnOnce(Kind) -> bool,
    ) -> Result<Kind, Fault> {
        let Some(kind) = self.kinds.get(name) else {
            let mut names: Vec<_> = self.kinds.keys().map(String::as_str).collect();
            names.sort_unstable();
            let remedy = if names.is_empty() {
                "make something first, as with `pair tcp a b`".to_owned()
            } else {
                format!("here are {}", names.join(", "))
            };
            return Err((format!("there is no `{name}`"), remedy));
        };
        if fits(*kind) {
            return Ok(*kind);
        }
        let fault = format!("`{name}` is {}", kind.describe());
        Err((fault, format!("this line needs {what}")))
    }

    fn lane(&self, lane: &str) -> Result<&Option<Call>, Fault> {
        self.lanes.get(lane).ok_or_else(|| {
            let remedy = format!("start it first, as with `go {lane} read a 1`");
            (format!("there is no lane `{lane}`"), remedy)
        })
    }
}
