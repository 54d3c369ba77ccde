//! The stream of latencies by descriptor, by line or by task.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use netpoller_core::{Desc, Direction, Poller, ReadyList, Wait, task};
use netpoller_proto::v1::{self, GroupBy};
use tokio_stream::StreamExt;
use tonic::{Code, Streaming};

use crate::fixture::{Fixture, open, park, poller, run};

/// For how long a slow wait is parked, at least.
const SLOW: Duration = Duration::from_millis(20);

/// A descriptor that is waited for, and both ends of its connection.
struct Waited {
    desc: Desc,
    ours: UnixStream,
    theirs: UnixStream,
}

impl Waited {
    fn new(poller: &Poller) -> Self {
        let (ours, theirs, desc) = open(poller);
        Self { desc, ours, theirs }
    }

    /// `wait` ends after `delay`.
    fn wait(&self, poller: &Poller, wait: impl Future, delay: Duration) {
        let mut wait = pin!(wait);
        park(wait.as_mut());
        std::thread::sleep(delay);
        (&self.theirs).write_all(b"x").unwrap();
        let mut ready = ReadyList::default();
        poller.poll(Some(Duration::ZERO), &mut ready).unwrap();
        ready.wake_all();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(wait.as_mut().poll(&mut cx).is_ready());
        (&self.ours).read_exact(&mut [0]).unwrap();
    }
}

/// Waits at a line of the standard library: the methods that [`Read`] brings along are there.
struct InLibrary<'a>(&'a Desc, Option<Wait<'a>>);

impl Read for InLibrary<'_> {
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.1 = Some(self.0.wait(Direction::Read));
        Ok(buf.len())
    }
}

fn wait_in_library(desc: &Desc) -> Wait<'_> {
    let mut library = InLibrary(desc, None);
    library.read_exact(&mut [0]).unwrap();
    library.1.unwrap()
}

const QUICK_LINE: u32 = line!() + 6;
const SLOW_LINE: u32 = line!() + 9;

/// Twenty quick waits for one descriptor, and five slow ones for another.
fn work(poller: &Poller, quick: &Waited, slow: &Waited) {
    for _ in 0..20 {
        let wait = quick.desc.wait(Direction::Read);
        quick.wait(poller, task::named("quick", wait), Duration::ZERO);
    }
    for _ in 0..5 {
        let wait = slow.desc.wait(Direction::Read);
        slow.wait(poller, task::named("slow", wait), SLOW);
    }
}

fn request(poller: &str, by: GroupBy) -> v1::WatchLatenciesRequest {
    v1::WatchLatenciesRequest {
        poller: poller.into(),
        by: by.into(),
        interval_ns: 1,
        ..Default::default()
    }
}

/// What the frames say in which so many waits have ended.
async fn groups(stream: &mut Streaming<v1::LatenciesFrame>, waits: u64) -> Vec<v1::LatencyGroup> {
    let mut all: Vec<v1::LatencyGroup> = Vec::new();
    while all.iter().map(|group| group.waits).sum::<u64>() < waits {
        let frame = stream.next().await.unwrap().unwrap();
        let [poller] = &frame.pollers[..] else {
            panic!("{frame:?}")
        };
        assert_eq!(poller.others.as_ref().unwrap().waits, 0);
        assert!(frame.interval_ns > 0);
        all.extend(poller.groups.iter().cloned());
    }
    all
}

/// The waits of all groups of this key, and the median and the least of the times parked.
fn told(groups: &[v1::LatencyGroup], key: &str) -> (u64, u64, u64) {
    let mut waits = 0;
    let mut bounds = Vec::new();
    for group in groups.iter().filter(|group| group.key == key) {
        waits += group.waits;
        let names: Vec<_> = group.histograms.iter().map(|it| &*it.name).collect();
        assert_eq!(names, ["time_parked", "wake_latency", "waker_to_run"]);
        assert!(group.histograms.iter().all(|it| it.count == group.waits));
        for bucket in &group.histograms[0].buckets {
            bounds.extend(std::iter::repeat_n(
                bucket.upper_bound,
                bucket.count as usize,
            ));
        }
    }
    bounds.sort_unstable();
    (waits, bounds[bounds.len() / 2], bounds[0])
}

#[test]
fn waits_are_counted_by_line_by_task_and_by_descriptor_with_the_delays_of_each() {
    let poller = poller("grouped");
    let (quick, slow) = (Waited::new(&poller), Waited::new(&poller));
    let fixture = Fixture::new();
    run(async {
        let line = |line: u32| format!("{}:{line}", file!());
        for (by, [of_quick, of_slow]) in [
            (GroupBy::Location, [QUICK_LINE, SLOW_LINE].map(line)),
            (GroupBy::Task, ["quick", "slow"].map(str::to_owned)),
            (
                GroupBy::Descriptor,
                [&quick, &slow].map(|it| it.desc.id().to_string()),
            ),
        ] {
            // What has ended before is in no group.
            work(&poller, &quick, &slow);
            let mut stream = begin(&fixture, by).await;
            work(&poller, &quick, &slow);
            let groups = groups(&mut stream, 25).await;
            let (waits, median, _) = told(&groups, &of_quick);
            assert_eq!(waits, 20, "{groups:?}");
            let (waits, slow_median, least) = told(&groups, &of_slow);
            assert_eq!(waits, 5, "{groups:?}");
            assert!(u128::from(least) >= SLOW.as_nanos(), "{least}");
            assert!(median < slow_median, "{median}, {slow_median}");
        }
    });
}

/// Begins as soon as nobody else has these waits grouped.
async fn begin(fixture: &Fixture, by: GroupBy) -> Streaming<v1::LatenciesFrame> {
    let mut client = fixture.client().await;
    loop {
        match client.watch_latencies(request("grouped", by)).await {
            Ok(stream) => return stream.into_inner(),
            Err(status) => assert_eq!(status.code(), Code::ResourceExhausted),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn one_descriptor_is_told_alone() {
    let poller = poller("alone");
    let (quick, slow) = (Waited::new(&poller), Waited::new(&poller));
    let fixture = Fixture::new();
    run(async {
        let of_slow = v1::WatchLatenciesRequest {
            id: slow.desc.id().to_string(),
            ..request("alone", GroupBy::Location)
        };
        let mut client = fixture.client().await;
        let mut stream = client.watch_latencies(of_slow).await.unwrap().into_inner();
        work(&poller, &quick, &slow);
        let groups = groups(&mut stream, 5).await;
        let line = format!("{}:{SLOW_LINE}", file!());
        assert!(groups.iter().all(|group| group.key == line), "{groups:?}");
        assert_eq!(told(&groups, &line).0, 5);
    });
}

#[test]
fn a_second_client_is_refused_and_so_is_what_nothing_can_be_grouped_by() {
    let poller = poller("refusing");
    let (_ours, _theirs, desc) = open(&poller);
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        let refused = async |client: &mut v1::inspector_client::InspectorClient<_>, request| {
            let status = client.watch_latencies(request).await.unwrap_err();
            (status.code(), status.message().to_owned())
        };
        let (code, text) = refused(&mut client, request("refusing", GroupBy::Unspecified)).await;
        assert_eq!(code, Code::InvalidArgument);
        assert!(text.contains("descriptor, location, task"), "{text}");
        let (code, text) = refused(&mut client, request("nobody", GroupBy::Task)).await;
        assert_eq!((code, text.contains("refusing")), (Code::NotFound, true));

        let first = client
            .watch_latencies(request("refusing", GroupBy::Task))
            .await;
        let first = first.unwrap().into_inner();
        let by_id = v1::WatchLatenciesRequest {
            id: desc.id().to_string(),
            ..request("refusing", GroupBy::Location)
        };
        let (code, text) = refused(&mut client, by_id).await;
        assert_eq!(code, Code::ResourceExhausted);
        assert!(text.contains("another client"), "{text}");
        drop(first);
    });
}

#[test]
fn waits_at_a_line_of_a_library_are_of_the_programs_own_that_stands_for_it() {
    let poller = poller("libraries");
    let [named, nameless] = [(); 2].map(|()| Waited::new(&poller));
    let opened = poller.rows()[0].opened_location.unwrap();
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        let by_line = request("libraries", GroupBy::Location);
        let mut stream = client.watch_latencies(by_line).await.unwrap().into_inner();
        let name = line!() + 3;
        for _ in 0..3 {
            let wait = wait_in_library(&named.desc);
            let wait = task::named("named once, in the groups", wait);
            named.wait(&poller, wait, Duration::ZERO);
        }
        nameless.wait(&poller, wait_in_library(&nameless.desc), Duration::ZERO);
        let groups = groups(&mut stream, 4).await;
        let named = format!("{}:{name} (named here)", file!());
        assert_eq!(told(&groups, &named).0, 3, "{groups:?}");
        let opened = format!("{}:{} (opened here)", opened.file(), opened.line());
        assert_eq!(told(&groups, &opened).0, 1, "{groups:?}");
    });
}

#[test]
fn an_exemplar_at_a_line_of_a_library_has_the_programs_own_beside_it_as_far_as_it_is_known() {
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        let mut exemplar = async |poller: &Poller| {
            let request = v1::GetStatsRequest {
                poller: poller.name().to_owned(),
                ..Default::default()
            };
            let stats = client.get_stats(request).await.unwrap().into_inner();
            let all = stats.pollers.into_iter().flat_map(|it| it.histograms);
            let mut parked = all.filter(|it| it.name == "time_parked_read_io");
            let mut buckets = parked.next().unwrap().buckets.into_iter();
            buckets.next().unwrap().exemplar.unwrap()
        };

        let nameless = poller("exemplars_nameless");
        let waited = Waited::new(&nameless);
        let opened = nameless.rows()[0].opened_location.unwrap();
        waited.wait(&nameless, wait_in_library(&waited.desc), Duration::ZERO);
        let told = exemplar(&nameless).await;
        assert!(told.location.contains("/library/std/"), "{told:?}");
        let opened = format!("{}:{} (opened here)", opened.file(), opened.line());
        assert_eq!(told.line(), opened);
        drop(waited);
        let told = exemplar(&nameless).await;
        assert_eq!(told.line(), told.location, "where it came from is gone");

        let named = poller("exemplars_named");
        let waited = Waited::new(&named);
        let wait = wait_in_library(&waited.desc);
        let line = line!() + 1;
        let wait = task::named("named once, in the exemplars", wait);
        waited.wait(&named, wait, Duration::ZERO);
        drop(waited);
        let name = format!("{}:{line} (named here)", file!());
        assert_eq!(exemplar(&named).await.line(), name);
    });
}
