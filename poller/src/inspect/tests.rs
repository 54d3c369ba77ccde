use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use netpoller_proto::v1;
use netpoller_proto::v1::inspector_client::InspectorClient;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::transport::{Channel, Endpoint, Uri};

use super::error::DirectoryProblem;
use super::incoming::is_allowed_user;
use super::service::MAX_SUBSCRIBERS;
use super::socket::SocketFile;
use super::*;
use crate::{Desc, Direction, Kind, Poller};

/// An endpoint on a socket in a directory of its own.
struct Fixture {
    directory: tempfile::TempDir,
    _server: Server,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::builder()
            .listen(Listen::Unix(directory.path().join("s")))
            .start()
            .unwrap();
        Self {
            directory,
            _server: server,
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    async fn client(&self) -> InspectorClient<Channel> {
        connect(self.socket()).await.unwrap()
    }
}

async fn connect(path: PathBuf) -> Result<InspectorClient<Channel>, tonic::transport::Error> {
    let connector = tower::service_fn(move |_: Uri| {
        let path = path.clone();
        async move {
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(
                tokio::net::UnixStream::connect(path).await?,
            ))
        }
    });
    let channel = Endpoint::from_static("http://localhost")
        .connect_with_connector(connector)
        .await?;
    Ok(InspectorClient::new(channel))
}

fn run<R>(test: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(30), test)
            .await
            .expect("stuck")
    })
}

fn poller(name: &str) -> Poller {
    Poller::builder().name(name).build().unwrap()
}

fn open(poller: &Poller) -> (Desc, UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (poller.open(ours.as_fd(), Kind::Unix).unwrap(), ours, theirs)
}

#[track_caller]
fn park(wait: std::pin::Pin<&mut impl Future>) {
    assert!(
        wait.poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().mode() & 0o777
}

#[test]
fn the_server_says_who_it_is() {
    let _poller = poller("who");
    let fixture = Fixture::new();
    let server = run(async {
        fixture
            .client()
            .await
            .get_server(v1::GetServerRequest {})
            .await
            .unwrap()
            .into_inner()
    });
    assert_eq!(
        (server.protocol, server.pid),
        (netpoller_proto::PROTOCOL, std::process::id())
    );
    assert_eq!(
        server.executable,
        std::env::current_exe().unwrap().display().to_string()
    );
    assert!(server.start_ticks > 0 && server.captured_at_ns > server.started_at_ns);
    assert!(!server.boot_id.is_empty() && !server.kernel.is_empty());
    let poller = server
        .pollers
        .iter()
        .find(|poller| poller.name == "who")
        .unwrap();
    assert_eq!(
        (poller.descriptors, &*poller.driver, poller.blocked),
        (0, "manual", false)
    );
    assert!(poller.epoll_fd > 0);
}

#[test]
fn a_table_of_more_rows_than_a_page_comes_whole_and_once() {
    let poller = poller("paged");
    let (ours, _theirs) = UnixStream::pair().unwrap();
    // Many rows need few descriptors: duplicates are registered one by one.
    let fds: Vec<_> = (0..900).map(|_| ours.try_clone().unwrap()).collect();
    let mut descs: Vec<_> = fds
        .iter()
        .map(|fd| poller.open(fd.as_fd(), Kind::Unix).unwrap())
        .collect();
    descs.extend((0..900).map(|_| poller.open_timer(std::panic::Location::caller()).unwrap()));
    let fixture = Fixture::new();
    let mut seen = Vec::new();
    run(async {
        let mut client = fixture.client().await;
        let mut page_token = String::new();
        loop {
            let request = v1::ListDescriptorsRequest {
                poller: "paged".into(),
                page_token,
                ..Default::default()
            };
            let page = client.list_descriptors(request).await.unwrap().into_inner();
            assert!(page.descriptors.len() <= 1000);
            seen.extend(page.descriptors.iter().map(v1::Descriptor::id));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return;
            }
        }
    });
    assert_eq!(seen, descs.iter().map(Desc::id).collect::<Vec<_>>());
}

#[test]
fn a_waiting_row_tells_task_thread_and_line_and_others_can_be_left_out() {
    let poller = poller("waiting");
    let (_idle, _a, _b) = open(&poller);
    let (desc, _ours, _theirs) = open(&poller);
    desc.set_label("upstream");
    let task = crate::observe::Task {
        name: crate::observe::Names::shared().label("session 7"),
        id: 7,
    };
    let before = crate::observe::enter_task(task);
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    let line = line!() - 2;
    crate::observe::enter_task(before);

    let fixture = Fixture::new();
    let request = v1::ListDescriptorsRequest {
        poller: "waiting".into(),
        waiting_only: true,
        ..Default::default()
    };
    let page = run(async {
        fixture
            .client()
            .await
            .list_descriptors(request)
            .await
            .unwrap()
            .into_inner()
    });
    let [row] = &page.descriptors[..] else {
        panic!("{page:?}")
    };
    assert_eq!(
        (row.id(), &*row.label, row.kind()),
        (desc.id(), "upstream", v1::DescriptorKind::Unix)
    );
    let read = row.read.as_ref().unwrap();
    assert_eq!(read.state(), v1::State::Parked);
    assert!((1..=page.captured_at_ns).contains(&read.since_ns));
    let waiter = read.waiter.as_ref().unwrap();
    assert_eq!(waiter.task, "session 7");
    assert_eq!(Some(&*waiter.thread), std::thread::current().name());
    assert_eq!(waiter.location, format!("{}:{line}", file!()));
    assert_eq!(read.transitions.as_ref().unwrap().park, 1);
}

#[test]
fn statistics_name_every_counter_and_the_laws_hold() {
    let poller = poller("counted");
    let (desc, _ours, _theirs) = open(&poller);
    let mut wait = pin!(desc.wait(Direction::Read));
    park(wait.as_mut());
    let fixture = Fixture::new();
    let request = v1::GetStatsRequest {
        poller: "counted".into(),
        ..Default::default()
    };
    let stats = run(async {
        fixture
            .client()
            .await
            .get_stats(request)
            .await
            .unwrap()
            .into_inner()
    });
    let [stats] = &stats.pollers[..] else {
        panic!("{stats:?}")
    };
    assert_eq!(stats.poller.as_ref().unwrap().waiters, 1);
    assert_eq!(stats.read.as_ref().unwrap().park, 1);
    assert_eq!(stats.counters.len(), crate::Counter::COUNT);
    assert_eq!(stats.counters["opened_unix"], 1);
    assert_eq!(stats.histograms.len(), crate::Histogram::COUNT);
    assert!(
        stats.laws.len() >= 10 && stats.laws.iter().all(|law| !law.violated),
        "{:?}",
        stats.laws
    );
}

#[test]
fn a_broken_law_is_reported_after_it_was_read_three_times() {
    let poller = poller("broken");
    poller
        .shared
        .waiters
        .fetch_add(1, crate::sync::atomic::Ordering::Relaxed);
    let fixture = Fixture::new();
    let request = v1::GetStatsRequest {
        poller: "broken".into(),
        ..Default::default()
    };
    let stats = run(async {
        fixture
            .client()
            .await
            .get_stats(request)
            .await
            .unwrap()
            .into_inner()
    });
    let violated: Vec<_> = stats.pollers[0]
        .laws
        .iter()
        .filter(|law| law.violated)
        .map(|law| &*law.name)
        .collect();
    assert_eq!(violated, ["waiters"]);
}

/// The next whole group.
async fn group(stream: &mut tonic::Streaming<v1::WatchFrame>) -> v1::WatchFrame {
    let mut whole = v1::WatchFrame::default();
    loop {
        let frame = stream.next().await.unwrap().unwrap();
        whole.upserts.extend(frame.upserts);
        whole.removes.extend(frame.removes);
        whole = v1::WatchFrame {
            upserts: whole.upserts,
            removes: whole.removes,
            ..frame
        };
        if whole.end {
            return whole;
        }
    }
}

#[test]
fn a_watcher_gets_the_table_and_then_only_what_changes() {
    let poller = poller("watched");
    let (_still, _a, _b) = open(&poller);
    let (desc, ours, _theirs) = open(&poller);
    let id = desc.id();
    let fixture = Fixture::new();
    run(async {
        let request = v1::WatchRequest {
            poller: "watched".into(),
            interval_ns: 1,
            stats: true,
            ..Default::default()
        };
        let mut stream = fixture
            .client()
            .await
            .watch(request)
            .await
            .unwrap()
            .into_inner();
        let keyframe = group(&mut stream).await;
        assert!(
            keyframe.keyframe
                && keyframe.sequence == 0
                && keyframe.epoch == crate::view::started_at_ns()
        );
        assert_eq!(keyframe.upserts.len(), 2);
        assert_eq!(keyframe.stats.unwrap().pollers.len(), 1);
        let quiet = group(&mut stream).await;
        assert!(
            !quiet.keyframe
                && quiet.upserts.is_empty()
                && quiet.removes.is_empty()
                && quiet.sequence == 1
        );

        {
            let mut wait = pin!(desc.wait(Direction::Read));
            park(wait.as_mut());
            let mut delta = group(&mut stream).await;
            while delta.upserts.is_empty() {
                delta = group(&mut stream).await;
            }
            assert_eq!(
                delta
                    .upserts
                    .iter()
                    .map(v1::Descriptor::id)
                    .collect::<Vec<_>>(),
                std::slice::from_ref(&id)
            );
            assert!(delta.upserts[0].read.as_ref().unwrap().is_waiting());
        }
        desc.close();
        drop(ours);
        let mut removes = Vec::new();
        while removes.is_empty() {
            removes = group(&mut stream).await.removes;
        }
        assert_eq!(removes, [format!("watched/{id}")]);
    });
}

#[test]
fn several_clients_are_served_at_once_and_a_place_is_free_again_when_a_watcher_leaves() {
    let _poller = poller("shared");
    let fixture = Fixture::new();
    run(async {
        let request = v1::WatchRequest {
            poller: "shared".into(),
            ..Default::default()
        };
        let mut streams = Vec::new();
        for _ in 0..MAX_SUBSCRIBERS {
            let mut stream = fixture
                .client()
                .await
                .watch(request.clone())
                .await
                .unwrap()
                .into_inner();
            group(&mut stream).await;
            streams.push(stream);
        }
        let mut client = fixture.client().await;
        let refused = client.watch(request.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        client
            .get_server(v1::GetServerRequest {})
            .await
            .expect("others are still answered");
        streams.pop();
        while client.watch(request.clone()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn what_is_not_there_is_an_error_that_says_so() {
    let _poller = poller("existing");
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        let request = v1::GetStatsRequest {
            poller: "missing".into(),
            ..Default::default()
        };
        let status = client.get_stats(request).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert!(status.message().contains("existing"), "{status}");
        let request = v1::ListDescriptorsRequest {
            page_token: "garbage".into(),
            ..Default::default()
        };
        assert_eq!(
            client.list_descriptors(request).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    });
}

#[test]
fn garbage_and_silence_on_one_connection_do_not_hurt_another() {
    let fixture = Fixture::new();
    let mut garbage = UnixStream::connect(fixture.socket()).unwrap();
    garbage
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let _silent = UnixStream::connect(fixture.socket()).unwrap();
    let mut half = UnixStream::connect(fixture.socket()).unwrap();
    half.write_all(b"PRI * HT").unwrap();
    run(async {
        fixture
            .client()
            .await
            .get_server(v1::GetServerRequest {})
            .await
            .unwrap()
    });
    garbage
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut rest = Vec::new();
    // Closed, be it with a word or with a reset.
    let _ = garbage.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("200"), "{rest:?}");
}

#[test]
fn connections_beyond_the_limit_are_closed_and_those_within_are_served() {
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        client.get_server(v1::GetServerRequest {}).await.unwrap();
        let crowd: Vec<_> = (0..40)
            .map(|_| UnixStream::connect(fixture.socket()).unwrap())
            .collect();
        client.get_server(v1::GetServerRequest {}).await.unwrap();
        drop(crowd);
        while connect(fixture.socket()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn it_answers_while_every_thread_of_the_service_is_stuck() {
    let poller = poller("stuck");
    let (desc, _ours, _theirs) = open(&poller);
    // The lock of a descriptor, held by a thread that does not go on.
    let _guard = desc.slot.lock();
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        let request = v1::ListDescriptorsRequest {
            poller: "stuck".into(),
            ..Default::default()
        };
        let page = client.list_descriptors(request).await.unwrap().into_inner();
        assert_eq!(page.descriptors.len(), 1);

        let request = v1::GetStatsRequest {
            poller: "stuck".into(),
            ..Default::default()
        };
        let stats = client.get_stats(request).await.unwrap().into_inner();
        let info = stats.pollers[0].poller.as_ref().unwrap();
        assert_eq!(info.descriptors, 1);

        let request = v1::WatchRequest {
            poller: "stuck".into(),
            stats: true,
            ..Default::default()
        };
        let mut stream = client.watch(request).await.unwrap().into_inner();
        let keyframe = group(&mut stream).await;
        assert_eq!(
            (keyframe.upserts.len(), keyframe.stats.is_some()),
            (1, true)
        );
    });
}

#[test]
fn the_socket_is_private_and_goes_when_the_server_goes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sub").join("s");
    let server = Server::builder()
        .listen(Listen::Unix(path.clone()))
        .start()
        .unwrap();
    assert_eq!(server.target(), format!("unix:{}", path.display()));
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    drop(server);
    assert!(!path.exists());
}

#[test]
fn the_default_socket_is_named_after_the_life_of_the_process() {
    let server = Server::builder().start().unwrap();
    let path = PathBuf::from(server.target().strip_prefix("unix:").unwrap());
    let name = format!("{}-{}.sock", std::process::id(), crate::sys::start_ticks());
    assert_eq!(path.file_name().unwrap().to_str(), Some(&*name));
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    run(async {
        connect(path.clone())
            .await
            .unwrap()
            .get_server(v1::GetServerRequest {})
            .await
            .unwrap()
    });
    let second = Server::builder().start().unwrap_err();
    assert!(matches!(second, StartError::InUse { .. }), "{second}");
}

#[test]
fn a_stale_socket_is_replaced_and_nothing_else_is() {
    let directory = tempfile::tempdir().unwrap();
    let start = |name: &str| {
        Server::builder()
            .listen(Listen::Unix(directory.path().join(name)))
            .start()
    };

    drop(UnixListener::bind(directory.path().join("stale")).unwrap());
    start("stale").unwrap();

    std::fs::write(directory.path().join("file"), "precious").unwrap();
    assert!(matches!(start("file"), Err(StartError::NotASocket { .. })));
    assert_eq!(
        std::fs::read(directory.path().join("file")).unwrap(),
        b"precious"
    );

    std::os::unix::fs::symlink(directory.path().join("file"), directory.path().join("link"))
        .unwrap();
    assert!(matches!(start("link"), Err(StartError::NotASocket { .. })));

    let _live = UnixListener::bind(directory.path().join("live")).unwrap();
    assert!(matches!(start("live"), Err(StartError::InUse { .. })));

    let open = directory.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    match start("open/s") {
        Err(StartError::Directory {
            problem: DirectoryProblem::Open { mode: 0o777 },
            ..
        }) => {}
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        start(&"x".repeat(200)),
        Err(StartError::Io { .. })
    ));
}

fn start_at(path: impl Into<PathBuf>) -> Result<Server, StartError> {
    Server::builder().listen(Listen::Unix(path.into())).start()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// Only root may give a file away.
fn is_root() -> bool {
    crate::sys::effective_uid() == 0
}

#[test]
fn a_chosen_directory_that_somebody_else_can_turn_elsewhere_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("d");
    std::fs::create_dir(&directory).unwrap();
    let problem = |path: PathBuf| match start_at(path) {
        Err(StartError::Directory { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };

    let link = scratch.path().join("link");
    std::os::unix::fs::symlink(&directory, &link).unwrap();
    assert_eq!(problem(link.join("s")), DirectoryProblem::SymbolicLink);
    let dangling = scratch.path().join("dangling");
    std::os::unix::fs::symlink(scratch.path().join("nowhere"), &dangling).unwrap();
    assert_eq!(problem(dangling.join("s")), DirectoryProblem::SymbolicLink);
    let file = scratch.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert_eq!(problem(file.join("s")), DirectoryProblem::NotADirectory);

    for mode in [0o770, 0o707] {
        set_mode(&directory, mode);
        assert_eq!(
            problem(directory.join("s")),
            DirectoryProblem::Open { mode }
        );
    }
    // As /tmp is.
    set_mode(&directory, 0o1777);
    let server = start_at(directory.join("s")).unwrap();
    assert_eq!(mode(&directory.join("s")), 0o600);
    drop(server);

    if is_root() {
        let foreign = Some(65_534);
        for mode in [0o700, 0o1777] {
            set_mode(&directory, mode);
            std::os::unix::fs::chown(&directory, foreign, None).unwrap();
            let expected = DirectoryProblem::ForeignOwner { uid: 65_534 };
            assert_eq!(problem(directory.join("s")), expected);
        }
    }
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
}

#[test]
fn a_socket_with_a_full_backlog_is_live_and_start_does_not_wait_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let address = socket2::SockAddr::unix(&path).unwrap();
    let unix = || {
        let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None);
        let socket = socket.unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    };
    // It accepts nobody, like the instance before when it was stopped.
    let stopped = unix();
    stopped.bind(&address).unwrap();
    stopped.listen(0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let socket = unix();
        match socket.connect(&address) {
            Ok(()) => waiting.push(socket),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                break;
            }
        }
    }
    let (done, started) = std::sync::mpsc::channel();
    let target = path.clone();
    std::thread::spawn(move || done.send(start_at(target).map(drop)));
    let started = started.recv_timeout(Duration::from_secs(10));
    assert!(
        matches!(started, Ok(Err(StartError::InUse { .. }))),
        "{started:?}"
    );
    assert!(path.exists());
}

#[test]
fn of_many_that_replace_a_stale_socket_one_gets_it_and_can_be_reached() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    drop(UnixListener::bind(&path).unwrap());
    let starters: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || start_at(path))
        })
        .collect();
    let results: Vec<_> = starters.into_iter().map(|s| s.join().unwrap()).collect();
    let started = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(started, 1, "{results:?}");
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Ok(_) | Err(StartError::InUse { .. }))),
        "{results:?}"
    );
    UnixStream::connect(&path).unwrap();
}

#[test]
fn a_start_that_fails_leaves_no_socket_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    // The second address is refused when the first one is bound.
    let error = Server::builder()
        .listen(Listen::Unix(path.clone()))
        .listen("tcp:0.0.0.0:0".parse().unwrap())
        .start()
        .unwrap_err();
    assert!(matches!(error, StartError::NotLoopback { .. }), "{error}");
    assert!(!path.exists());

    // A file system that gives the socket another mode.
    let _bound = UnixListener::bind(&path).unwrap();
    set_mode(&path, 0o755);
    let error = SocketFile::adopt(path.clone()).unwrap_err();
    assert!(error.to_string().contains("mode 755"), "{error}");
    assert!(!path.exists());

    // What has taken the place of the socket is not ours to remove.
    std::fs::write(&path, "precious").unwrap();
    let error = SocketFile::adopt(path.clone()).unwrap_err();
    assert!(matches!(error, StartError::NotASocket { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}

#[test]
fn the_socket_that_took_the_place_of_ours_is_not_removed_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let server = start_at(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    drop(server);
    UnixStream::connect(&path).unwrap();
}

#[test]
fn only_the_same_user_and_root_are_answered() {
    assert!(is_allowed_user(1000, 1000));
    assert!(is_allowed_user(0, 1000));
    assert!(is_allowed_user(0, 0));
    assert!(!is_allowed_user(1001, 1000));
    assert!(!is_allowed_user(1000, 0));
    // What the kernel says of a user that this namespace does not know.
    assert!(!is_allowed_user(65_534, 0));
}

#[test]
fn addresses_that_others_can_reach_are_refused_with_advice() {
    let refused = |text: &str| {
        Server::builder()
            .listen(text.parse().unwrap())
            .start()
            .unwrap_err()
    };
    for text in ["tcp:0.0.0.0:0", "tcp:[::]:0", "tcp:192.0.2.1:0"] {
        let error = refused(text);
        assert!(matches!(error, StartError::NotLoopback { .. }), "{error}");
        assert!(error.to_string().contains("ssh -L"));
    }
    assert!(matches!(
        refused("unix:@abstract"),
        StartError::Abstract { .. }
    ));
}

#[test]
fn over_tcp_addresses_are_hidden_unless_they_are_to_be_exposed() {
    let poller = poller("hidden");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let _desc = poller.open(listener.as_fd(), Kind::TcpListener).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let local = |expose| {
        let server = Server::builder()
            .listen("tcp:127.0.0.1:0".parse().unwrap())
            .expose_addresses(expose);
        let server = server.start().unwrap();
        run(async {
            let uri = server.target().replace("tcp:", "http://");
            let mut client =
                InspectorClient::new(Endpoint::from_shared(uri).unwrap().connect().await.unwrap());
            let request = v1::ListDescriptorsRequest {
                poller: "hidden".into(),
                ..Default::default()
            };
            client
                .list_descriptors(request)
                .await
                .unwrap()
                .into_inner()
                .descriptors
                .remove(0)
                .local
        })
    };
    assert!(local(false).starts_with('#'));
    assert_eq!(local(true), address);
}

#[test]
fn another_user_is_kept_out_by_the_socket_and_let_go_by_the_endpoint() {
    use std::fs::{Permissions, set_permissions};
    use std::io::{ErrorKind, Read};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    const NOBODY: libc::uid_t = 65_534;
    let directory = tempfile::tempdir().unwrap();
    set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let path = directory.path().join("s");
    let _server = Server::builder()
        .listen(Listen::Unix(path.clone()))
        .start()
        .unwrap();
    let connect = || UnixStream::connect(&path).map_err(|error| error.kind());
    let Some(refused) = crate::sys::as_user(NOBODY, connect) else {
        eprintln!("NOT TESTED: only root can become somebody else");
        return;
    };
    assert_eq!(refused.err(), Some(ErrorKind::PermissionDenied));

    // Somebody opens the socket to all, and still nobody else is answered.
    set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let mut stranger = crate::sys::as_user(NOBODY, connect).unwrap().unwrap();
    let mut friend = connect().unwrap();
    let mut answer = [0];
    for (stream, answered) in [(&mut stranger, false), (&mut friend, true)] {
        let patience = Duration::from_secs(if answered { 1 } else { 10 });
        stream.set_read_timeout(Some(patience)).unwrap();
        match stream.read(&mut answer) {
            Ok(0) => assert!(!answered),
            // Ours is served: it is waited for what we say.
            Ok(_) => assert!(answered),
            Err(error) => assert!(answered && error.kind() == ErrorKind::WouldBlock, "{error}"),
        }
    }
}
