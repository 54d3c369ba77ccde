//! `Diagnose`: looks for known faults for a while, and answers other requests meanwhile.

use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netpoller_core::internals::{self, INODE};
use netpoller_core::view::lints::{Finding, Lint, Lints, Options};
use netpoller_core::{Poller, view};
use netpoller_proto::v1;
use netpoller_proto::v1::{DiagnoseRequest, DiagnoseResponse};
use tonic::{Response, Status};

use super::turns::{LookTurn, REST, Turns};
use super::{encode, find};
use crate::door::connection::Seen;
use crate::guard::guarded;

/// Findings in one answer.
const MAX_FINDINGS: usize = 100;
/// The window unless another is asked for, and the longest: an answer must come within the time for
/// one.
const WINDOW: Duration = Duration::from_secs(1);
const MAX_WINDOW: Duration = Duration::from_secs(4);
/// After so long without one the next diagnosis of a connection begins anew.
const FORGOTTEN: Duration = Duration::from_secs(10);
/// How long the first look may wait for its turn, whatever the window, and the last one.
const PATIENCE: Duration = Duration::from_millis(500);

/// Looks at the pollers that are asked for. `redact` hides the addresses of sockets.
///
/// Between two looks it rests for [`REST`] times as long as the last one took, and each look waits
/// for its turn; so a large table is looked at less often, and the window ends before the turn came
/// if it must. If that of the kernel's list does not come at all, the looks go without it.
///
/// What one diagnosis of a connection has seen the next one knows, if it is asked for the same:
/// some faults take longer to be certain than one answer may.
pub(crate) async fn diagnose(
    request: DiagnoseRequest,
    redact: bool,
    seen: &Seen,
    turns: &Turns,
) -> Result<Response<DiagnoseResponse>, Status> {
    let window = window(request.window_ns)?;
    let mut options = options(&request, window)?;
    let pollers = guarded(|| find::pollers(&request.poller))??;
    let began = Instant::now();
    let pause = internals::pause(&options);
    let mut kernel = request.kernel;
    let turn = match tokio::time::timeout(window.max(PATIENCE), turns.look(kernel)).await {
        Ok(turn) => turn?,
        // An answer must come in time. It names the lints that were run.
        Err(_) => {
            kernel = false;
            options = options.kernel(false);
            let turn = tokio::time::timeout(PATIENCE, turns.look(kernel)).await;
            turn.map_err(|_| crowded())??
        }
    };
    let (mut lints, mut looks) = (seen_so_far(seen, options), 1);
    let (mut findings, mut took_last) = look(&mut lints, &pollers, turn)?;
    loop {
        let left = window.saturating_sub(began.elapsed());
        if left.is_zero() {
            break;
        }
        // The thread of the endpoint serves others meanwhile. A look itself takes a few
        // milliseconds of a large table.
        tokio::time::sleep(pause.max(REST * took_last).min(left)).await;
        // The last look is due at the end of the window, and may wait a little beyond it.
        let left = window.saturating_sub(began.elapsed()).max(PATIENCE);
        let turn = match tokio::time::timeout(left, turns.look(kernel)).await {
            Ok(turn) => turn?,
            // Everything is seen twice, so what the first look says alone is nothing.
            Err(_) if kernel => {
                kernel = false;
                internals::leave_kernel(&mut lints);
                match tokio::time::timeout(PATIENCE, turns.look(kernel)).await {
                    Ok(turn) => turn?,
                    Err(_) => return Err(crowded()),
                }
            }
            Err(_) if looks == 1 => return Err(crowded()),
            Err(_) => break,
        };
        (findings, took_last) = look(&mut lints, &pollers, turn)?;
        looks += 1;
    }
    let took = began.elapsed();
    internals::sort(&mut findings);
    let ran = lints.lints().map(|lint| lint.name().to_owned()).collect();
    let unjudged = lints.unjudged().map(|(lint, why)| v1::Unjudged {
        lint: lint.name().to_owned(),
        why: why.to_owned(),
    });
    let unjudged = unjudged.collect();
    *lock(seen) = Some((tokio::time::Instant::now(), lints));
    let more = findings.len().saturating_sub(MAX_FINDINGS);
    findings.truncate(MAX_FINDINGS);
    Ok(Response::new(DiagnoseResponse {
        captured_at_ns: view::now_ns(),
        findings: findings
            .into_iter()
            .map(|finding| encoded(finding, redact))
            .collect(),
        lints: ran,
        window_ns: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
        epoch: view::started_at_ns(),
        more: more as u64,
        unjudged,
    }))
}

/// What the last diagnosis of this connection has seen, if it was one like this and not long ago.
fn seen_so_far(seen: &Seen, options: Options) -> Lints {
    match lock(seen).take() {
        Some((at, lints))
            if at.elapsed() < FORGOTTEN && internals::has_options(&lints, &options) =>
        {
            lints
        }
        _ => Lints::new(options),
    }
}

fn lock(seen: &Seen) -> MutexGuard<'_, Option<(tokio::time::Instant, Lints)>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks once. Returns what was found, and how long that took.
fn look(
    lints: &mut Lints,
    pollers: &[Poller],
    mut turn: LookTurn,
) -> Result<(Vec<Finding>, Duration), Status> {
    let began = Instant::now();
    let all = |lints: &mut Lints| pollers.iter().flat_map(|it| lints.look(it)).collect();
    internals::list_took();
    let findings = guarded(|| all(lints))?;
    turn.took(internals::list_took());
    drop(turn);
    Ok((findings, began.elapsed()))
}

fn crowded() -> Status {
    Status::resource_exhausted("others look at the table; ask again in a second")
}

fn window(ns: u64) -> Result<Duration, Status> {
    match Duration::from_nanos(ns) {
        Duration::ZERO => Ok(WINDOW),
        window if window <= MAX_WINDOW => Ok(window),
        window => Err(Status::invalid_argument(format!(
            "window_ns: at most {MAX_WINDOW:?}, not {window:?}; ask several times instead"
        ))),
    }
}

fn options(request: &DiagnoseRequest, window: Duration) -> Result<Options, Status> {
    let lint = |name: &str| -> Result<Lint, Status> {
        name.parse()
            .map_err(|error: view::lints::UnknownLint| Status::invalid_argument(error.to_string()))
    };
    let mut options = Options::new().kernel(request.kernel).window(window);
    for name in &request.allow {
        options = options.allow(lint(name)?);
    }
    for (name, hold_ns) in &request.hold_ns {
        options = options.hold(lint(name)?, Duration::from_nanos(*hold_ns));
    }
    Ok(options)
}

fn encoded(finding: Finding, redact: bool) -> v1::Finding {
    let direction = finding
        .direction
        .map_or(v1::Mode::Unspecified, encode::mode);
    v1::Finding {
        lint: finding.lint.name().to_owned(),
        severity: encode::severity(finding.severity).into(),
        descriptor: finding
            .row
            .map(|row| encode::descriptor(&finding.poller, row, redact)),
        poller: finding.poller,
        direction: direction.into(),
        since_ns: finding.since_ns,
        since: match finding.first_seen {
            true => v1::Since::FirstSeen,
            false => v1::Since::Began,
        }
        .into(),
        summary: finding.summary,
        evidence: finding
            .evidence
            .into_iter()
            // With it /proc/net, which everybody on the machine can read, tells the addresses.
            .filter(|(name, _)| !(redact && *name == INODE))
            .map(|(name, value)| v1::Evidence {
                name: name.to_owned(),
                value,
            })
            .collect(),
        advice: finding.advice.to_owned(),
        location: encode::location(finding.location),
        nearest: finding.nearest.map(encode::line),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use netpoller_core::{Desc, Direction, Kind, ReadyList};
    use tonic::Code;

    use super::*;
    use crate::fixture::Fixture;

    fn run<R>(work: impl Future<Output = R>) -> R {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(work)
    }

    fn ask(request: DiagnoseRequest, redact: bool) -> Result<DiagnoseResponse, Status> {
        run(diagnose(
            request,
            redact,
            &Seen::default(),
            &Turns::default(),
        ))
        .map(Response::into_inner)
    }

    /// A descriptor whose edge was consumed although its bytes were not read.
    fn drained_of_its_edge(poller: &Poller) -> (TcpStream, TcpStream, Desc) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        ours.set_nonblocking(true).unwrap();
        let desc = poller.open(ours.as_fd(), Kind::Tcp).unwrap();
        theirs.write_all(b"left").unwrap();
        let mut ready = ReadyList::default();
        while !desc.reset(Direction::Read).unwrap() {
            poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
            ready.wake_all();
        }
        (ours, theirs, desc)
    }

    #[test]
    fn a_stuck_waiter_is_answered_with_its_row_and_addresses_are_hidden_where_they_must_be() {
        let poller = Poller::builder().name("diagnosed").build().unwrap();
        let (ours, _theirs, desc) = drained_of_its_edge(&poller);
        let mut wait = pin!(desc.wait(Direction::Read));
        let line = line!() - 1;
        let parked = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(parked.is_pending());
        let request = DiagnoseRequest {
            poller: "diagnosed".into(),
            window_ns: 800_000_000,
            hold_ns: [("stuck-waiter".to_owned(), 1), ("lost-edge".to_owned(), 1)].into(),
            ..Default::default()
        };
        let shown = ask(request.clone(), false).unwrap();
        let hidden = ask(request, true).unwrap();

        let [finding] = &shown.findings[..] else {
            panic!("{shown:?}")
        };
        assert_eq!(
            (&*finding.lint, finding.severity(), finding.direction()),
            ("stuck-waiter", v1::Severity::Error, v1::Mode::Read)
        );
        assert!(
            finding.location.ends_with(&format!("diagnose.rs:{line}")),
            "{}",
            finding.location
        );
        let value = |name: &str| {
            let evidence = finding.evidence.iter().find(|it| it.name == name);
            evidence.map(|it| it.value.as_str())
        };
        assert_eq!(value("bytes readable"), Some("4"));
        let row = finding.descriptor.as_ref().unwrap();
        assert_eq!(row.id(), desc.id());
        assert_eq!(row.local, ours.local_addr().unwrap().to_string());
        assert!(shown.window_ns >= 800_000_000 && shown.more == 0);
        assert!(!shown.lints.iter().any(|lint| lint == "ghost-registration"));

        let row = hidden.findings[0].descriptor.as_ref().unwrap();
        assert!(row.local.starts_with('#'), "{}", row.local);
        let text = format!("{hidden:?}");
        assert!(!text.contains("127.0.0.1"), "{text}");
    }

    /// Of what was read once it takes seven times the hold time to be certain, and longer than one
    /// answer may take.
    #[test]
    fn what_one_diagnosis_of_a_connection_has_seen_the_next_one_knows() {
        let poller = Poller::builder().name("seen_again").build().unwrap();
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
        theirs.write_all(b"12").unwrap();
        let mut ready = ReadyList::default();
        poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
        ready.wake_all();
        let mut wait = pin!(desc.wait(Direction::Read));
        let taken = wait.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(taken.is_ready());
        ours.read_exact(&mut [0]).unwrap();

        let fixture = Fixture::new();
        let request = DiagnoseRequest {
            poller: "seen_again".into(),
            window_ns: 100_000_000,
            hold_ns: [("leaked-readiness".to_owned(), 100_000_000)].into(),
            ..Default::default()
        };
        run(async {
            let mut client = fixture.client().await;
            let began = Instant::now();
            loop {
                let answer = client.diagnose(request.clone()).await.unwrap().into_inner();
                if let Some(finding) = answer.findings.first() {
                    assert_eq!(finding.lint, "leaked-readiness");
                    assert!(began.elapsed() >= Duration::from_millis(700));
                    return;
                }
                assert!(began.elapsed() < Duration::from_secs(60), "never found");
            }
        });
    }

    #[test]
    fn what_is_allowed_is_not_run_and_an_unknown_name_is_answered_with_those_that_are_known() {
        let _poller = Poller::builder().name("diagnosed_allow").build().unwrap();
        let request = DiagnoseRequest {
            poller: "diagnosed_allow".into(),
            kernel: true,
            window_ns: 10_000_000,
            allow: vec!["stuck-waiter".into()],
            ..Default::default()
        };
        let answer = ask(request.clone(), false).unwrap();
        assert_eq!(answer.findings, []);
        assert_eq!(answer.lints.len(), Lint::COUNT - 1);
        assert!(!answer.lints.contains(&"stuck-waiter".to_owned()));

        let refused = |request| {
            let status: Status = ask(request, false).unwrap_err();
            (status.code(), status.message().to_owned())
        };
        let (code, text) = refused(DiagnoseRequest {
            allow: vec!["stuck".into()],
            ..request.clone()
        });
        assert!(
            code == Code::InvalidArgument && text.contains("slow-dispatch"),
            "{text}"
        );
        let (code, _) = refused(DiagnoseRequest {
            hold_ns: [("soon".to_owned(), 1)].into(),
            ..request.clone()
        });
        assert_eq!(code, Code::InvalidArgument);
        let (code, text) = refused(DiagnoseRequest {
            window_ns: 5_000_000_000,
            ..request.clone()
        });
        assert!(
            code == Code::InvalidArgument && text.contains("4s"),
            "{text}"
        );
        let (code, _) = refused(DiagnoseRequest {
            poller: "nowhere".into(),
            ..request
        });
        assert_eq!(code, Code::NotFound);
    }
}
