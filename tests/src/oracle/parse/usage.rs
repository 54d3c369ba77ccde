//! One way to write each line of a script, for messages.

/// One way to write each line, for messages.
pub(super) const USAGE: [(&str, &str); 37] = [
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

/// How a line that begins with `word` is written.
pub(super) fn usage(word: &str) -> String {
    let word = if word == "shutw" { "shutr" } else { word };
    match USAGE.iter().find(|(known, _)| *known == word) {
        Some((_, usage)) => format!("write `{usage}`"),
        None => {
            let words: Vec<_> = USAGE.iter().map(|(known, _)| *known).collect();
            format!("the words are {}", words.join(", "))
        }
    }
}
