//! Rows and statistics as a busy service would have them, the same on every run.

use netpoller_proto::v1::{
    Bucket, Call, Descriptor, DescriptorKind, Direction, GetServerResponse, GetStatsResponse,
    Histogram, Law, ListSitesResponse, OpenDescriptors, Poller, PollerStats, Site, SiteGroup,
    Socket, State, Transitions, Waiter,
};

/// The moment at which the rows were read.
pub const NOW_NS: u64 = 3_600_000_000_000;
const MS: u64 = 1_000_000;

/// A connection whose reader has been parked for 12.4 s and gives up in 17.6 s.
pub fn parked_reader() -> Descriptor {
    Descriptor {
        poller: "global".into(),
        slot: 42,
        generation: 7,
        fd: 19,
        kind: DescriptorKind::Tcp.into(),
        local: "10.0.0.1:8080".into(),
        peer: "10.0.0.9:51234".into(),
        label: String::new(),
        opened_at_ns: NOW_NS - 90_000 * MS,
        opened_location: "src/server.rs:41".into(),
        closing: false,
        event_err: false,
        last_events: 0x5,
        read: Some(Direction {
            state: State::Parked.into(),
            since_ns: NOW_NS - 12_400 * MS,
            waiter: Some(Waiter {
                task: "conn-42".into(),
                thread: "worker-1".into(),
                location: "src/server.rs:88".into(),
                ..Default::default()
            }),
            deadline_ns: NOW_NS + 17_600 * MS,
            transitions: Some(Transitions {
                arm: 1_210,
                park: 1_200,
                ready_parked: 1_199,
                ready_idle: 3,
                ready_armed: 1,
                consume: 1_203,
                ..Transitions::default()
            }),
            ..Default::default()
        }),
        write: Some(Direction {
            state: State::Ready.into(),
            transitions: Some(Transitions {
                ready_idle: 1,
                ..Transitions::default()
            }),
            ..Direction::default()
        }),
        torn: false,
        stale: false,
        connect_parks: 0,
        socket: Some(Socket {
            tcp_state: "ESTABLISHED".into(),
            recvq: Some(0),
            sendq: Some(4_096),
            unacked: Some(1_448),
            unsent: Some(2_648),
            rtt_ns: Some(812_000),
            retrans: Some(3),
            last_recv_ns: Some(NOW_NS - 12_500 * MS),
            last_send_ns: Some(NOW_NS - 40 * MS),
            bytes_received: Some(182_000),
            bytes_sent: Some(1_240_000),
            drops: Some(0),
            ..Socket::default()
        }),
    }
}

/// The slot with this number at this moment: what it is depends on the number alone, how long it
/// waits on the moment.
pub fn row(slot: u32, now_ns: u64) -> Descriptor {
    let pick = u64::from(slot).wrapping_mul(2_654_435_761) >> 7;
    let born = now_ns.saturating_sub((pick % 600_000) * MS);
    let mut row = Descriptor {
        poller: if slot % 11 == 3 { "shard-1" } else { "global" }.into(),
        slot,
        generation: 1 + slot % 9,
        fd: i32::try_from(slot).unwrap_or(0) + 7,
        opened_at_ns: born.max(1),
        opened_location: "src/server.rs:41".into(),
        last_events: 0x4,
        ..Descriptor::default()
    };
    let (kind, local, peer) = match pick % 40 {
        0 => (
            DescriptorKind::Udp,
            "0.0.0.0:5353".to_owned(),
            String::new(),
        ),
        1 => (
            DescriptorKind::Unix,
            "unix:/run/app/control.sock".to_owned(),
            String::new(),
        ),
        2 => (DescriptorKind::Pipe, String::new(), String::new()),
        3 | 4 => (DescriptorKind::Timer, String::new(), String::new()),
        5 => (
            DescriptorKind::Tcp,
            "[2001:db8::1]:8080".into(),
            format!("[2001:db8::{:x}]:{}", slot, 40_000 + slot % 20_000),
        ),
        _ if slot == 0 => (
            DescriptorKind::TcpListener,
            "0.0.0.0:8080".to_owned(),
            String::new(),
        ),
        _ => (
            DescriptorKind::Tcp,
            "10.0.0.1:8080".to_owned(),
            format!(
                "10.0.{}.{}:{}",
                slot / 250 % 250,
                2 + slot % 250,
                40_000 + slot % 20_000
            ),
        ),
    };
    row.kind = kind.into();
    row.local = local;
    row.peer = peer;
    if kind == DescriptorKind::Timer {
        row.fd = -1;
    }
    row.label = if pick % 5 == 0 {
        "api".into()
    } else {
        String::new()
    };
    let since = now_ns.saturating_sub(1 + pick % 60_000 * MS / (1 + pick % 17));
    let waiter = |what: &str, line: u32| {
        Some(Waiter {
            task: format!("{what}-{slot}"),
            thread: format!("worker-{}", slot % 4),
            location: format!("src/{what}.rs:{line}"),
            ..Default::default()
        })
    };
    let counts = Transitions {
        arm: pick % 5_000 + 2,
        park: pick % 5_000 + 1,
        ready_parked: pick % 5_000,
        ready_idle: pick % 70,
        ready_again: pick % 30,
        consume: pick % 5_000 + pick % 70,
        ..Transitions::default()
    };
    let read_state = match pick % 10 {
        0 => State::Nil,
        1 => State::Ready,
        _ => State::Parked,
    };
    row.read = Some(Direction {
        state: read_state.into(),
        since_ns: since.max(1),
        waiter: (read_state == State::Parked)
            .then(|| {
                if slot == 0 {
                    waiter("accept", 63)
                } else {
                    waiter("conn", 88 + slot % 3)
                }
            })
            .flatten(),
        deadline_ns: match pick % 6 {
            0 => 0,
            1 if pick % 4 == 0 => 1,
            _ => now_ns + pick % 30_000 * MS,
        },
        transitions: Some(counts),
        ..Default::default()
    });
    let stuck_writer = pick % 23 == 0;
    row.write = Some(Direction {
        state: if stuck_writer {
            State::Parked
        } else {
            State::Ready
        }
        .into(),
        since_ns: if stuck_writer { since.max(1) } else { 0 },
        waiter: stuck_writer.then(|| waiter("flush", 112)).flatten(),
        deadline_ns: 0,
        transitions: Some(Transitions {
            ready_idle: 1,
            ..Transitions::default()
        }),
        ..Default::default()
    });
    row
}

/// The calls that a waiter is in, the innermost first.
pub fn stack() -> Vec<Call> {
    let call = |function: &str, location: &str| Call {
        function: function.to_owned(),
        location: location.to_owned(),
    };
    vec![
        call(
            "tokio::io::util::read::Read<tokio::net::tcp::stream::TcpStream>",
            "",
        ),
        call(
            "server::session::read_frame::{async fn}",
            "src/session.rs:118",
        ),
        call("server::session::serve::{async fn}", "src/session.rs:41"),
    ]
}

/// The process that serves them.
pub fn server(descriptors: u64, now_ns: u64) -> GetServerResponse {
    GetServerResponse {
        protocol: netpoller_proto::PROTOCOL,
        version: "0.1.0".into(),
        pid: 4242,
        executable: "/usr/bin/echo-server".into(),
        start_ticks: 987_654,
        captured_at_ns: now_ns,
        wall_clock_ns: 1_700_000_000_000_000_000,
        started_at_ns: NOW_NS - 7_384_000 * MS / 4,
        boot_id: "5b0d7d6e-6f6e-4f8e-9d86-2f8f3f7a1c11".into(),
        kernel: "6.8.0".into(),
        pollers: vec![
            poller("global", 1, descriptors, now_ns),
            poller("shard-1", 2, descriptors / 11, now_ns),
        ],
        ..Default::default()
    }
}

fn poller(name: &str, id: u32, descriptors: u64, now_ns: u64) -> Poller {
    Poller {
        name: name.into(),
        id,
        epoll_fd: 2 + i32::try_from(id).unwrap_or(0),
        driver: if id == 1 { "inline+tokio" } else { "thread" }.into(),
        descriptors,
        slots: descriptors.next_power_of_two(),
        waiters: i64::try_from(descriptors * 8 / 10).unwrap_or(0),
        deadlines: descriptors * 2 / 3,
        blocked: id == 1,
        last_poll_ns: now_ns - 3 * MS,
        created_at_ns: NOW_NS - 1_800_000 * MS,
        polled_by: Vec::new(),
    }
}

/// The lines that have opened descriptors: connections of one peer that are not closed grow with
/// `tick`, a pool rests, and what comes and goes does not grow.
pub fn sites(now_ns: u64, tick: u64) -> ListSitesResponse {
    let open = |count: u64, waited: u64, slot: u64| OpenDescriptors {
        count,
        waited,
        age_p50_ns: (40_000 + slot * 100) * MS,
        age_p90_ns: (320_000 + slot * 100) * MS,
        age_p99_ns: (590_000 + slot * 100) * MS,
        oldest_at_ns: NOW_NS - (600_000 + slot * 1_000) * MS,
        oldest: format!("global/{slot}.3"),
        queued_bytes: count * 517,
    };
    let group = |peer: &str, state: &str, rows| SiteGroup {
        peer: peer.into(),
        state: state.into(),
        rows: Some(rows),
    };
    let site = |location: &str, opened: u64, rows: OpenDescriptors, groups| Site {
        location: location.into(),
        opened,
        closed: opened - rows.count,
        rows: Some(rows),
        groups,
        more_groups: 0,
    };
    let leaked = 30 + 2 * tick;
    let mut accepted = vec![
        group("10.0.0.9", "CLOSE_WAIT", open(leaked, 0, 42)),
        group("10.0.0.9", "ESTABLISHED", open(120, 118, 5)),
    ];
    let others = (12..18).map(|it| group(&format!("10.0.0.{it}"), "ESTABLISHED", open(7, 7, it)));
    accepted.extend(others);
    let server = Site {
        more_groups: 3,
        ..site(
            "src/server.rs:63",
            48_000 + 37 * tick,
            open(leaked + 120 + 6 * 7 + 3, 163, 5),
            accepted,
        )
    };
    let pool = group("10.0.1.4:5432", "ESTABLISHED", open(32, 4, 9));
    ListSitesResponse {
        captured_at_ns: now_ns,
        sites: vec![
            server,
            site("src/storage/pool.rs:118", 512, open(32, 4, 9), vec![pool]),
            site(
                "src/telemetry/exporter.rs:77",
                9_000 + 90 * tick,
                OpenDescriptors::default(),
                Vec::new(),
            ),
            site(
                "",
                88,
                open(12, 0, 77),
                vec![group("", "pipe", open(12, 0, 77))],
            ),
        ],
        epoch: 1,
        sockets_at_ns: now_ns,
        sockets_error: String::new(),
    }
}

/// Statistics that grow with `tick`.
pub fn stats(descriptors: u64, now_ns: u64, tick: u64) -> GetStatsResponse {
    let server = server(descriptors, now_ns);
    let mut pollers = Vec::new();
    for poller in server.pollers {
        let scale = 1 + 4 * u64::from(poller.id == 1);
        let total = (1_000_000 + tick * 4_217) * scale;
        let counts = Transitions {
            arm: total + 31,
            park: total,
            rearm: 12,
            ready_idle: total / 3,
            ready_armed: 31,
            ready_parked: total - 401,
            ready_again: total / 40,
            consume: total + total / 3 - 90,
            reset: 77,
            unblock_armed: 2,
            unblock_parked: 301,
            cancel_parked: 99,
            recycled: 13,
            ..Transitions::default()
        };
        let counters = [
            ("opened", total / 100),
            ("closed", total / 100 - poller.descriptors),
            ("polls_blocking", total / 4),
            ("polls_nonblocking", total / 9),
            ("break_requested", total / 50),
            ("break_written", total / 80),
            ("break_coalesced", total / 50 - total / 80),
            ("deadline_set", total / 2),
            ("deadline_fired", 301),
            ("deadline_extended", total / 3),
            ("stale_event", 4),
            ("eintr", 1),
        ];
        pollers.push(PollerStats {
            poller: Some(poller),
            read: Some(counts),
            write: Some(Transitions {
                ready_idle: total / 100,
                park: 44,
                arm: 44,
                ready_parked: 44,
                ..Default::default()
            }),
            counters: counters
                .into_iter()
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
            histograms: vec![
                histogram("time_parked", "ns", 21, 9, total),
                histogram("wake_latency", "ns", 13, 4, total),
                histogram("deadline_lag", "ns", 15, 3, 301),
                histogram("break_latency", "ns", 12, 3, total / 80),
                histogram("poll_duration", "ns", 18, 6, total / 4),
                histogram("dispatch", "ns", 11, 3, total / 4),
                histogram("events_per_poll", "events", 2, 3, total / 4),
            ],
            laws: vec![
                law(
                    "arm",
                    "arm + rearm = park + ready_armed + unblock_armed + cancel_armed + now(wait)",
                    total + 43,
                    total + 43,
                    false,
                ),
                law(
                    "park",
                    "park = ready_parked + unblock_parked + cancel_parked + rearm + now(parked)",
                    total,
                    total,
                    false,
                ),
                law(
                    "waiters",
                    "waiters = now(parked)",
                    250,
                    if tick % 40 > 30 { 251 } else { 250 },
                    tick % 40 > 30,
                ),
                law(
                    "descriptors",
                    "opened - closed = live slots = kernel registrations",
                    312,
                    312,
                    false,
                ),
            ],
            ..Default::default()
        });
    }
    GetStatsResponse {
        captured_at_ns: now_ns,
        pollers,
        ..Default::default()
    }
}

fn law(name: &str, statement: &str, lhs: u64, rhs: u64, violated: bool) -> Law {
    Law {
        name: name.into(),
        statement: statement.into(),
        lhs: i64::try_from(lhs).unwrap_or(0),
        rhs: i64::try_from(rhs).unwrap_or(0),
        violated,
    }
}

/// A bell on a logarithmic axis around 2^center, in buckets of four to each doubling.
fn histogram(name: &str, unit: &str, center: u32, spread: u32, count: u64) -> Histogram {
    let (low, high) = (
        center.saturating_sub(spread).max(2) * 4,
        (center + spread * 2) * 4,
    );
    let weight = |step: u32| {
        let distance = f64::from(step) / 4.0 - f64::from(center);
        let side = if distance > 0.0 {
            f64::from(spread) * 0.7
        } else {
            f64::from(spread) * 0.4
        };
        (-(distance / side).powi(2) / 2.0).exp()
    };
    let whole: f64 = (low..high).map(weight).sum();
    let buckets: Vec<Bucket> = (low..high)
        .map(|step| Bucket {
            upper_bound: (u64::from(5 + step % 4) << (step / 4 - 2)) - 1,
            count: (weight(step) / whole * count as f64).round() as u64,
            ..Default::default()
        })
        .filter(|bucket| bucket.count > 0)
        .collect();
    Histogram {
        name: name.into(),
        unit: unit.into(),
        count: buckets.iter().map(|bucket| bucket.count).sum(),
        sum: buckets
            .iter()
            .map(|bucket| bucket.upper_bound.saturating_mul(bucket.count))
            .sum(),
        max: buckets.last().map_or(0, |bucket| bucket.upper_bound),
        buckets,
    }
}
