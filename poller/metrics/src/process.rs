//! The metrics of the process, and what the exposition says of itself: they have no poller.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use netpoller_core::{internals, view};
use netpoller_host::posture;

use super::families::Type;

/// Scrapes that the server could not answer.
pub(super) static SCRAPE_ERRORS: AtomicU64 = AtomicU64::new(0);

/// The codes with which the server answers, and how often it has.
static REQUESTS: [(u16, &str, AtomicU64); 8] = [
    (200, "200", AtomicU64::new(0)),
    (400, "400", AtomicU64::new(0)),
    (403, "403", AtomicU64::new(0)),
    (404, "404", AtomicU64::new(0)),
    (405, "405", AtomicU64::new(0)),
    (431, "431", AtomicU64::new(0)),
    (500, "500", AtomicU64::new(0)),
    (503, "503", AtomicU64::new(0)),
];

/// Counts an answer of the server.
pub(super) fn count_request(code: u16) {
    if let Some((.., count)) = REQUESTS.iter().find(|it| it.0 == code) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// One metric of the process.
pub(super) struct ProcessFamily {
    pub(super) name: &'static str,
    pub(super) kind: Type,
    pub(super) help: &'static str,
    pub(super) series: Vec<ProcessSeries>,
}

/// Its labels, and what it says now.
type ProcessSeries = (Vec<(&'static str, String)>, f64);

impl ProcessFamily {
    fn new(name: &'static str, kind: Type, help: &'static str, series: Vec<ProcessSeries>) -> Self {
        Self {
            name,
            kind,
            help,
            series,
        }
    }

    /// One without labels.
    fn of(name: &'static str, kind: Type, help: &'static str, value: f64) -> Self {
        Self::new(name, kind, help, vec![(Vec::new(), value)])
    }
}

/// All of them, in the order of the exposition that was begun at `began`.
pub(super) fn process_families(began: Instant) -> Vec<ProcessFamily> {
    let labels = vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("revision", revision().to_owned()),
        ("features", features()),
    ];
    let mut all = vec![ProcessFamily::new(
        "netpoller_build_info",
        Type::Gauge,
        "Always 1; the labels say what was built.",
        vec![(labels, 1.0)],
    )];
    if let Some((open, limit)) = internals::files() {
        all.push(ProcessFamily::of(
            "netpoller_open_files",
            Type::Gauge,
            "Files that the process has open.",
            open as f64,
        ));
        all.push(ProcessFamily::of(
            "netpoller_open_files_limit",
            Type::Gauge,
            "Files that the process may have open.",
            limit as f64,
        ));
    }
    all.push(ProcessFamily::of(
        "netpoller_start_timestamp_seconds",
        Type::Gauge,
        "When the process first used the library, in seconds since the Unix epoch.",
        started_at().as_secs_f64(),
    ));
    if posture::endpoint().next().is_some() {
        all.extend(endpoint());
    }
    all.push(ProcessFamily::of(
        "netpoller_scrape_errors_total",
        Type::Counter,
        "Scrapes that failed.",
        SCRAPE_ERRORS.load(Ordering::Relaxed) as f64,
    ));
    let requests = REQUESTS.iter().map(|(_, code, count)| {
        let count = count.load(Ordering::Relaxed) as f64;
        (vec![("code", (*code).to_owned())], count)
    });
    all.push(ProcessFamily::new(
        "netpoller_scrape_requests_total",
        Type::Counter,
        "Requests that the metrics server answered, by the code of the answer; 503 if all of its connections were busy.",
        requests.collect(),
    ));
    all.push(ProcessFamily::of(
        "netpoller_scrape_duration_seconds",
        Type::Gauge,
        "How long it took to read and write this exposition.",
        began.elapsed().as_secs_f64(),
    ));
    all
}

/// What the inspection endpoint has to tell.
fn endpoint() -> [ProcessFamily; 2] {
    let (answered, refused) = posture::control_calls();
    let calls = [("ok", answered), ("refused", refused)];
    let calls = calls.map(|(result, count)| (vec![("result", result.to_owned())], count as f64));
    [
        ProcessFamily::of(
            "netpoller_introspection_insecure",
            Type::Gauge,
            "Listeners of the inspection endpoint that other machines reach without being asked who they are.",
            posture::insecure() as f64,
        ),
        ProcessFamily::new(
            "netpoller_control_calls_total",
            Type::Counter,
            "Calls of the service Control, by whether they were done.",
            calls.to_vec(),
        ),
    ]
}

fn revision() -> &'static str {
    option_env!("NETPOLLER_REVISION").unwrap_or("unknown")
}

fn features() -> String {
    let ours = [
        ("metrics", cfg!(feature = "metrics")),
        ("prometheus", cfg!(feature = "prometheus")),
        ("prometheus-client", cfg!(feature = "prometheus-client")),
    ];
    let ours = ours.into_iter().filter(|(_, is_in)| *is_in);
    let mut all: Vec<_> = internals::features()
        .chain(posture::endpoint())
        .chain(ours.map(|(name, _)| name))
        .collect();
    all.sort_unstable();
    all.join(",")
}

/// By the wall clock when it was first asked for: one that is set later restarts nothing.
fn started_at() -> Duration {
    static STARTED_AT: OnceLock<Duration> = OnceLock::new();
    *STARTED_AT.get_or_init(|| wall_at(view::started_at_ns()))
}

/// A moment of CLOCK_MONOTONIC by the wall clock of now.
pub(super) fn wall_at(ns: u64) -> Duration {
    let age = Duration::from_nanos(view::now_ns().saturating_sub(ns));
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().saturating_sub(age)
}
