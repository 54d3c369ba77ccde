//! Every server measured for a moment. The figures of such a run mean nothing and are not looked
//! at.

use std::env;
use std::io;
use std::process::Command;

use clap::Parser;
use serde_json::Value;

use crate::echo;

/// Holds the command line of a server, for a process that is to be one.
const SERVER: &str = "NETPOLLER_BENCH_ECHO_SERVER";

/// Runs this test program again, with nothing but the test below.
fn launch(arguments: &[String]) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command
        .args([
            "--exact",
            "smoke::is_the_server_when_started_as_one",
            "--nocapture",
        ])
        .env(SERVER, arguments.join(" "));
    Ok(command)
}

#[test]
fn is_the_server_when_started_as_one() {
    let Ok(line) = env::var(SERVER) else { return };
    let args = echo::Args::parse_from(["echo"].into_iter().chain(line.split(' ')));
    let kind = args.serve.clone().expect("started with --serve");
    // The test harness may have begun the line.
    println!();
    let Err(error) = echo::serve(&kind, &args);
    panic!("{error}");
}

#[track_caller]
fn report(flags: &str) -> Vec<u8> {
    let common = "--rounds 2 --secs 0.02 --warm-up 0.005";
    let args = echo::Args::parse_from(
        ["echo"]
            .into_iter()
            .chain(common.split(' '))
            .chain(flags.split(' ')),
    );
    let mut out = Vec::new();
    echo::run(&args, launch, &mut out).unwrap();
    out
}

#[test]
fn every_server_answers_and_its_cpu_time_is_seen() {
    for flags in [
        "--connections 1,16 --format json",
        "--connections 4 --message 100000 --read-deadline --format json",
    ] {
        let document: Value = serde_json::from_slice(&report(flags)).unwrap();
        let items = document["items"].as_array().unwrap();
        assert!(items.len() >= 2, "{document:#}");
        for item in items {
            for round in item["rounds"].as_array().unwrap() {
                assert!(round["requests"].as_u64().unwrap() > 0, "{item:#}");
                assert!(round["cpu_ns"].as_u64().unwrap() > 0, "{item:#}");
            }
            assert!(
                item["cpu_ratio"]["median"].as_f64().unwrap() > 0.0,
                "{item:#}"
            );
        }
    }
}

#[test]
fn the_table_has_a_line_per_server_and_number_of_connections() {
    let table = String::from_utf8(report("--connections 1,2 --servers bare,tokio")).unwrap();
    assert_eq!(table.lines().count(), 2 + 4, "{table}");
}

#[test]
fn a_server_that_cannot_be_started_is_named() {
    let args = echo::Args::parse_from(["echo", "--rounds", "1", "--servers", "tokio"]);
    let error = echo::run(&args, |_| Ok(Command::new("/bin/false")), &mut Vec::new()).unwrap_err();
    assert!(
        error.to_string().contains("starting server tokio"),
        "{error}"
    );
}
