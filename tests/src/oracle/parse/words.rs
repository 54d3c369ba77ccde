//! Words that stand for kinds, sizes and moments.

use std::time::Duration;

use super::usage::usage;
use crate::oracle::script::{Kind, PairKind, When};

/// What, and its remedy.
pub(super) type Fault = (String, String);

pub(super) fn pair(word: &str) -> Result<(PairKind, Kind), Fault> {
    Ok(match word {
        "tcp" => (PairKind::Tcp, Kind::Tcp),
        "unix" => (PairKind::Unix, Kind::Unix),
        "unixpacket" => (PairKind::Packet, Kind::Packet),
        "unixgram" => (PairKind::Gram, Kind::Gram),
        "udp" => (PairKind::Udp, Kind::Udp),
        _ => return Err((format!("there are no pairs of `{word}`"), usage("pair"))),
    })
}

pub(super) fn listener(word: &str) -> Result<Kind, Fault> {
    Ok(match word {
        "tcp" => Kind::TcpListener,
        "unix" => Kind::UnixListener,
        "unixpacket" => Kind::PacketListener,
        _ => return Err((format!("nobody listens on `{word}`"), usage("listen"))),
    })
}

/// More than any script needs, and less than what a machine has.
const LARGEST: usize = 256 << 20;

pub(super) fn size(word: &str) -> Result<usize, Fault> {
    match word.parse() {
        Ok(size) if size <= LARGEST => Ok(size),
        _ => {
            let remedy = format!("write a number of bytes, at most {LARGEST}");
            Err((format!("`{word}` is no size"), remedy))
        }
    }
}

pub(super) fn sizes(word: &str) -> Result<Vec<usize>, Fault> {
    word.split(',').map(size).collect()
}

pub(super) fn moment(word: &str) -> Result<When, Fault> {
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

pub(super) fn duration(word: &str) -> Result<Duration, Fault> {
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
