//! The command line.

use clap::Parser;

use crate::echo::{Args, servers};

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(["echo"].into_iter().chain(line.split_whitespace()))
}

#[test]
fn defaults_measure_every_server_at_1_64_and_1000_connections() {
    let args = parse("").unwrap();
    assert_eq!(args.connections, [1, 64, 1000]);
    assert_eq!(args.kinds().len(), servers::KINDS.len());
    assert_eq!(args.message, 128);
    assert!(!args.read_deadline);
}

#[test]
fn the_flag_that_cargo_passes_is_accepted() {
    parse("--bench").unwrap();
}

#[test]
fn a_server_named_twice_is_measured_once() {
    let args = parse("--servers bare,tokio,bare").unwrap();
    let names: Vec<_> = args.kinds().iter().map(|kind| kind.name).collect();
    assert_eq!(names, ["bare", "tokio"]);
}

#[test]
fn bad_flags_exit_with_2() {
    for line in [
        "--connections 0",
        "--connections 1,x",
        "--rounds 0",
        "--secs 0",
        "--secs nan",
        "--servers nginx",
        "--message 0",
        "--format yaml",
        "--core 1",
        "--no-such-flag",
        "filter",
    ] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}
