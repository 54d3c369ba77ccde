//! The metrics of the process, and what the exposition says of itself: they have no poller.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use netpoller_core::{internals, view};
use netpoller_host::posture;

use super::family::{Family, MetricType, Series, Value};
use super::wall::{since_epoch, wall_at};

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
#[cfg(feature = "prometheus")]
pub(super) fn count_request(code: u16) {
    if let Some((.., count)) = REQUESTS.iter().find(|it| it.0 == code) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// All of them: those of the endpoint only if the program has one.
pub(super) fn of_the_process() -> impl Iterator<Item = Family> {
    let endpoint: &[Family] = match posture::endpoint().next() {
        Some(_) => OF_THE_ENDPOINT,
        None => &[],
    };
    endpoint.iter().chain(OF_THE_PROCESS).copied()
}

/// What the inspection endpoint has to tell.
const OF_THE_ENDPOINT: &[Family] = &[
    Family::of_process(
        "netpoller_introspection_insecure",
        MetricType::Gauge,
        "Listeners of the inspection endpoint that other machines reach without being asked who they are.",
        &[],
        |_| gauge(posture::insecure() as f64),
    ),
    Family::of_process(
        "netpoller_control_calls_total",
        MetricType::Counter,
        "Calls of the service Control, by whether they were done.",
        &["result"],
        |_| control_calls(),
    ),
];

/// All but those of the endpoint, in the order of the exposition.
const OF_THE_PROCESS: &[Family] = &[
    Family::of_process(
        "netpoller_build_info",
        MetricType::Gauge,
        "Always 1; the labels say what was built.",
        &["version", "revision", "features"],
        |_| vec![build_info()],
    ),
    Family::of_process(
        "netpoller_open_files",
        MetricType::Gauge,
        "Files that the process has open.",
        &[],
        |_| internals::files().map_or(vec![], |(open, _)| gauge(open as f64)),
    ),
    Family::of_process(
        "netpoller_open_files_limit",
        MetricType::Gauge,
        "Files that the process may have open.",
        &[],
        |_| internals::files().map_or(vec![], |(_, limit)| gauge(limit as f64)),
    ),
    Family::of_process(
        "netpoller_start_timestamp_seconds",
        MetricType::Gauge,
        "When the process first used the library, in seconds since the Unix epoch.",
        &[],
        |_| gauge(since_epoch(started_at())),
    ),
    Family::of_process(
        "netpoller_scrape_errors_total",
        MetricType::Counter,
        "Scrapes that failed.",
        &[],
        |_| vec![Series::counter(&[], SCRAPE_ERRORS.load(Ordering::Relaxed))],
    ),
    Family::of_process(
        "netpoller_scrape_requests_total",
        MetricType::Counter,
        "Requests that the metrics server answered, by the code of the answer; 503 if all of its connections were busy.",
        &["code"],
        |_| requests(),
    ),
    Family::of_process(
        "netpoller_scrape_duration_seconds",
        MetricType::Gauge,
        "How long it took to read and write this exposition.",
        &[],
        |began| gauge(began.elapsed().as_secs_f64()),
    ),
];

fn gauge(value: f64) -> Vec<Series<'static>> {
    vec![Series::gauge(&[], value)]
}

fn build_info() -> Series<'static> {
    let mut series = Series::new(&[], Value::Gauge(1.0));
    series.labels = vec![
        ("version", env!("CARGO_PKG_VERSION").into()),
        ("revision", revision().into()),
        ("features", features().into()),
    ];
    series
}

fn control_calls() -> Vec<Series<'static>> {
    let (answered, refused) = posture::control_calls();
    vec![
        Series::counter(&[("result", "ok")], answered),
        Series::counter(&[("result", "refused")], refused),
    ]
}

fn requests() -> Vec<Series<'static>> {
    let each = |(_, code, count): &(u16, &'static str, AtomicU64)| {
        Series::counter(&[("code", code)], count.load(Ordering::Relaxed))
    };
    REQUESTS.iter().map(each).collect()
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
fn started_at() -> SystemTime {
    static STARTED_AT: OnceLock<SystemTime> = OnceLock::new();
    *STARTED_AT.get_or_init(|| wall_at(view::started_at_ns()))
}
