//! A service on tokio that says of itself who waits on which descriptor, and where: what a reader
//! from outside finds is compared with it. It reads commands and writes answers, which the README
//! beside describes.

mod accepts;
mod blocks;
mod bytes;
mod churn;
mod descriptor;
mod ends;
mod home;
mod json;
mod places;
mod reads;
mod runtime;
mod service;
mod settle;
mod waiter;
mod writes;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::churn::Churn;
use crate::descriptor::Side;
use crate::json::Json;
use crate::runtime::Runtime;
use crate::service::Service;

fn main() -> ExitCode {
    let kind = std::env::args().nth(1).unwrap_or_default();
    let Some(runtime) = Runtime::start(&kind) else {
        eprintln!("usage: truth multi-thread|one-worker|current-thread|local");
        return ExitCode::from(2);
    };
    let (mut service, mut churn) = (Service::new(runtime.clone()), Churn::default());
    for command in io::stdin().lines().map_while(Result::ok) {
        let words: Vec<&str> = command.split_whitespace().collect();
        let answer = obey(&mut service, &mut churn, &runtime, &words);
        let answer =
            answer.unwrap_or_else(|error| Json::Object(vec![("error", Json::Text(error))]));
        if writeln!(io::stdout(), "{answer}").is_err() {
            break;
        }
    }
    ExitCode::SUCCESS
}

/// Carries out one command. An answer comes when what was asked has happened.
fn obey(
    service: &mut Service,
    churn: &mut Churn,
    runtime: &Runtime,
    words: &[&str],
) -> Result<Json, String> {
    if let ["churn", count] = words {
        return churn.become_of(number(count)?, runtime).map(|()| done());
    }
    // What comes and goes stands still meanwhile.
    let _stopped = churn.stop();
    match words {
        ["open", kind] => {
            let opened = service.open(kind)?;
            return Ok(Json::Object(vec![("opened", Json::numbers(&opened))]));
        }
        ["block", time, by] => {
            let task = blocks::start(runtime, Duration::from_millis(number(time)?), by)?;
            return Ok(Json::Object(vec![("task", Json::Number(task))]));
        }
        ["send", id] => service.send(number(id)?)?,
        ["places"] => return Ok(places::places()),
        ["truth"] => return Ok(truth(service, churn)),
        ["close", id] => service.close(number(id)?)?,
        ["lose", id] => service.lose(number(id)?)?,
        ["park", id, side, place] => service.park(number(id)?, Side::named(side)?, place, false)?,
        ["park", id, side, place, "thread"] => {
            service.park(number(id)?, Side::named(side)?, place, true)?;
        }
        ["wake", id, side] => service.wake(number(id)?, Side::named(side)?)?,
        ["serve", id, side] => service.serve(number(id)?, Side::named(side)?)?,
        ["again", id, side, "serve"] => service.again(number(id)?, Side::named(side)?)?,
        _ => {
            return Err(format!(
                "unknown, or of other arguments: {}",
                words.join(" ")
            ));
        }
    }
    Ok(done())
}

/// The answer to a command that only does something.
fn done() -> Json {
    Json::Object(vec![("done", Json::Bool(true))])
}

fn truth(service: &Service, churn: &Churn) -> Json {
    let (descriptors, waiting) = service.truth();
    let wall = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let count = |it: usize| Json::Number(i64::try_from(it).unwrap_or(i64::MAX));
    Json::Object(vec![
        (
            "now_unix_ns",
            Json::Number(i64::try_from(wall.as_nanos()).unwrap_or(i64::MAX)),
        ),
        ("now_monotonic_ns", Json::Number(waiter::monotonic_ns())),
        ("descriptors", descriptors),
        ("tasks", count(waiting + churn.tasks())),
    ])
}

fn number<N: std::str::FromStr<Err: ToString>>(text: &str) -> Result<N, String> {
    text.parse().map_err(|error: N::Err| error.to_string())
}
