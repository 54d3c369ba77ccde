//! Reads scripts, and says what is wrong with those that are not: where, what, and what to write instead.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use netpoller::Sides;

use super::script::{Access, Call, Kind, Line, Op, PairKind, Script, When};

/// What is wrong with a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem {
            file,
            line,
            what,
            remedy,
        } = self;
        write!(f, "{}:{line}: {what}: {remedy}", file.display())
    }
}

impl std::error::Error for Problem {}

/// What, and its remedy.
type Fault = (String, String);

/// The scripts in `text`, which was read from `file`.
///
/// # Errors
///
/// The first line that makes no sense.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Script>, Problem> {
    let mut scripts: Vec<Script> = Vec::new();
    let mut scope = Scope::default();
    for (index, text) in text.lines().enumerate() {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let problem = |(what, remedy): Fault| Problem {
            file: file.to_owned(),
            line: number,
            what,
            remedy,
        };
        if let Some(name) = text.strip_prefix("script ") {
            scripts.push(Script {
                name: name.trim().to_owned(),
                file: file.to_owned(),
                lines: Vec::new(),
            });
            scope = Scope::default();
            continue;
        }
        let Some(script) = scripts.last_mut() else {
            let remedy = "begin with `script NAME`; names are fresh in each".to_owned();
            return Err(problem((format!("`{text}` belongs to no script"), remedy)));
        };
        let line = scope.line(text, number).map_err(problem)?;
        script.lines.push(line);
    }
    Ok(scripts)
}

/// The names that are known at a line.
#[derive(Default)]
struct Scope {
    kinds: HashMap<String, Kind>,
    lanes: HashMap<String, Option<Call>>,
}

/// One way to write each line, for messages.
const USAGE: [(&str, &str); 37] = [
    ("pair", "pair tcp|unix|unixpacket|unixgram|udp A B"),
    ("listen", "listen tcp|unix|unixpacket L"),
    ("dial", "dial C L"),
    ("dialdead", "dialdead"),
    ("dialto", "dialto max|±DUR"),
    ("udp", "udp U"),
    ("unixgram", "unixgram U"),
    ("sendto", "sendto U V N"),
    ("recvfrom", "recvfrom X N"),
    ("pipe", "pipe R W"),
    ("fifo", "fifo F"),
    ("openr", "openr R F"),
    ("openw", "openw W F"),
    ("openrw", "openrw R F"),
    ("file", "file F"),
    ("dup", "dup X Y"),
    ("bufs", "bufs A N"),
    ("inline", "inline A"),
    ("rdl", "rdl X none|now|max|±DUR"),
    ("wdl", "wdl X none|now|max|±DUR"),
    ("dl", "dl X none|now|max|±DUR"),
    (
        "go",
        "go L read|write|readv|writev|recvfrom|sendto|accept|dial …",
    ),
    ("goclose", "goclose L X"),
    ("parked", "parked L [lock]"),
    ("done", "done L [late] [n*]"),
    ("blocked", "blocked L DUR"),
    ("read", "read X N [n*]"),
    ("write", "write X N [n*]"),
    ("readv", "readv X N,N,… [n*]"),
    ("writev", "writev X N,N,… [n*]"),
    ("accept", "accept L"),
    ("oob", "oob A"),
    ("readoob", "readoob A"),
    ("close", "close X"),
    ("rst", "rst X"),
    ("shutr", "shutr|shutw X"),
    ("sleep", "sleep DUR"),
];

fn usage(word: &str) -> String {
    let word = if word == "shutw" { "shutr" } else { word };
    match USAGE.iter().find(|(known, _)| *known == word) {
        Some((_, usage)) => format!("write `{usage}`"),
        None => {
            let words: Vec<_> = USAGE.iter().map(|(known, _)| *known).collect();
            format!("the words are {}", words.join(", "))
        }
    }
}

impl Scope {
    fn line(&mut self, text: &str, number: usize) -> Result<Line, Fault> {
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

fn pair(word: &str) -> Result<(PairKind, Kind), Fault> {
    Ok(match word {
        "tcp" => (PairKind::Tcp, Kind::Tcp),
        "unix" => (PairKind::Unix, Kind::Unix),
        "unixpacket" => (PairKind::Packet, Kind::Packet),
        "unixgram" => (PairKind::Gram, Kind::Gram),
        "udp" => (PairKind::Udp, Kind::Udp),
        _ => return Err((format!("there are no pairs of `{word}`"), usage("pair"))),
    })
}

fn listener(word: &str) -> Result<Kind, Fault> {
    Ok(match word {
        "tcp" => Kind::TcpListener,
        "unix" => Kind::UnixListener,
        "unixpacket" => Kind::PacketListener,
        _ => return Err((format!("nobody listens on `{word}`"), usage("listen"))),
    })
}

/// More than any script needs, and less than what a machine has.
const LARGEST: usize = 256 << 20;

fn size(word: &str) -> Result<usize, Fault> {
    match word.parse() {
        Ok(size) if size <= LARGEST => Ok(size),
        _ => {
            let remedy = format!("write a number of bytes, at most {LARGEST}");
            Err((format!("`{word}` is no size"), remedy))
        }
    }
}

fn sizes(word: &str) -> Result<Vec<usize>, Fault> {
    word.split(',').map(size).collect()
}

fn moment(word: &str) -> Result<When, Fault> {
    Ok(match word {
        "none" => When::Never,
        "now" => When::Now,
        "max" => When::Largest,
        _ => match word.strip_prefix('-') {
            Some(time) => When::Before(duration(time)?),
            None => When::After(duration(word.strip_prefix('+').unwrap_or(word))?),
        },
    })
}

fn duration(word: &str) -> Result<Duration, Fault> {
    let fault = || {
        let remedy = "write a whole number and ns, us, ms, s, m or h, as in 30ms".to_owned();
        (format!("`{word}` is no duration"), remedy)
    };
    let digits = word.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| fault())?;
    let unit_ns = match &word[digits.len()..] {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(fault()),
    };
    number
        .checked_mul(unit_ns)
        .map(Duration::from_nanos)
        .ok_or_else(fault)
}
