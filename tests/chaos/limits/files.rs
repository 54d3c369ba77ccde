//! At the limit of open files, in a child process with a low one.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::TcpStream as StdStream;
use std::process::Command;

use netpoller::Poller;
use netpoller::net::{TcpListener, UnixListener};
use netpoller::view::lints::{Finding, Lint, Lints, Options};
use netpoller_tests::{
    LIMIT, Lane, assert_closed, assert_errno, assert_timeout, eventually, is_parked, loopback,
    past, run,
};

/// Runs the test `name` of this binary again, in a process that may open 64 files. `true` in that
/// process.
fn in_a_small_process(name: &str) -> bool {
    const INSIDE: &str = "NETPOLLER_TEST_SMALL_PROCESS";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let output = Command::new("sh")
        .args([
            "-c",
            "ulimit -n 64 && exec \"$0\" --exact --nocapture \"$1\"",
        ])
        .arg(std::env::current_exe().unwrap())
        .arg(name)
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.contains("1 passed"),
        "{name} is the name of this test: {text}"
    );
    false
}

/// Opens files until there is no descriptor left.
fn hoard() -> Vec<File> {
    let mut files = Vec::new();
    loop {
        match File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
                return files;
            }
        }
    }
}

#[test]
fn semantics_55_emfile_surfaces_from_accept_and_the_connection_stays() {
    if !in_a_small_process(
        "files::semantics_55_emfile_surfaces_from_accept_and_the_connection_stays",
    ) {
        return;
    }
    run(async |_| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let _client = StdStream::connect(listener.local_addr().unwrap()).unwrap();
        let files = hoard();
        for _ in 0..3 {
            let error = listener.accept().await.unwrap_err();
            assert!(
                error.to_string().contains("ulimit -n"),
                "says what to do: {error}"
            );
            assert_errno::<()>(Err(error), libc::EMFILE);
        }
        drop(files);
        listener.accept().await.unwrap();
    });
}

#[test]
fn semantics_55_incoming_gets_over_emfile_with_its_reserve() {
    if !in_a_small_process("files::semantics_55_incoming_gets_over_emfile_with_its_reserve") {
        return;
    }
    run(async |_| {
        let listener = TcpListener::bind(loopback()).unwrap();
        let mut incoming = listener.incoming();
        let address = listener.local_addr().unwrap();
        let mut refused = StdStream::connect(address).unwrap();
        // The limit is reached before the first connection was taken.
        let mut files = hoard();
        let peer = Lane::start(move || {
            refused.set_read_timeout(Some(LIMIT)).unwrap();
            let end = refused.read(&mut [0; 1]);
            assert!(
                matches!(end, Ok(0)) || end.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset)
            );
        });
        let mut next = Box::pin(incoming.accept());
        assert!(
            is_parked(&mut next).await,
            "it has refused the connection, and pauses"
        );
        peer.join();
        // Room for one client and its server, and for what the child's runner may want.
        files.truncate(files.len() - 5);
        let client = StdStream::connect(address).unwrap();
        let (_server, from) = next.await.unwrap();
        assert_eq!(from, client.local_addr().unwrap());
    });
}

#[test]
fn an_accept_loop_without_descriptors_is_told_with_those_who_wait_for_it() {
    let name = "files::an_accept_loop_without_descriptors_is_told_with_those_who_wait_for_it";
    if !in_a_small_process(name) {
        return;
    }
    let poller = Poller::builder().name("short").build().unwrap();
    let listener = poller.in_scope(|| TcpListener::bind(loopback()).unwrap());
    let address = listener.local_addr().unwrap();
    let _clients: Vec<_> = (0..10)
        .map(|_| StdStream::connect(address).unwrap())
        .collect();
    let mut incoming = listener.into_incoming();
    let files = hoard();
    let accepting = Lane::block_on(&poller, async move || drop(incoming.accept().await));
    let mut lints = Lints::new(Options::new());
    let refused = |finding: &Finding| {
        let mut evidence = finding.evidence.iter();
        evidence.any(|(name, value)| *name == "refused with the reserve descriptor" && value != "0")
    };
    // It may be found between the first shortage and the first connection that is refused.
    let finding = eventually("it is found", || {
        let mut found = lints.look(&poller).into_iter();
        found.find(|it| it.lint == Lint::AcceptStalled && refused(it))
    });
    assert!(
        finding.summary.contains("no descriptors left"),
        "{finding:#?}"
    );
    assert!(finding.first_seen && finding.row.is_some());
    drop(files);
    accepting.join();
}

#[test]
fn semantics_55_unix_incoming_goes_on_as_well() {
    if !in_a_small_process("files::semantics_55_unix_incoming_goes_on_as_well") {
        return;
    }
    run(async |_| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let mut incoming = listener.incoming();
        let files = hoard();
        {
            let mut next = Box::pin(incoming.accept());
            assert!(is_parked(&mut next).await, "it pauses");
        }
        // The first one was refused.
        assert_eq!((&client).read(&mut [0; 1]).unwrap(), 0);
        drop(files);
        let _client = std::os::unix::net::UnixStream::connect(&path).unwrap();
        incoming.accept().await.unwrap();
    });
}

/// libuv#690, nanomsg#152. Nobody polls the poller meanwhile, so the pause does not end by itself.
#[test]
fn issue_libuv_690_close_and_deadlines_end_the_pause_of_incoming_at_once() {
    if !in_a_small_process(
        "files::issue_libuv_690_close_and_deadlines_end_the_pause_of_incoming_at_once",
    ) {
        return;
    }
    run(async |_| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let unix = UnixListener::bind(&path).unwrap();
        let tcp = TcpListener::bind(loopback()).unwrap();
        let address = tcp.local_addr().unwrap();
        let _clients = [(); 2].map(|()| {
            (
                StdStream::connect(address).unwrap(),
                std::os::unix::net::UnixStream::connect(&path).unwrap(),
            )
        });
        let mut files = hoard();
        macro_rules! ends_at_once {
            ($listener:ident, $end:expr, $check:path) => {
                // Its reserve is the last descriptor.
                files.append(&mut hoard());
                files.pop();
                let mut incoming = $listener.incoming();
                let mut next = Box::pin(incoming.accept());
                assert!(is_parked(&mut next).await, "it pauses");
                $end;
                match futures_lite::future::poll_once(&mut next).await {
                    Some(outcome) => $check(outcome),
                    None => panic!("it pauses still"),
                }
            };
        }
        ends_at_once!(tcp, tcp.set_read_deadline(past()).unwrap(), assert_timeout);
        ends_at_once!(
            unix,
            unix.set_read_deadline(past()).unwrap(),
            assert_timeout
        );
        tcp.set_read_deadline(None).unwrap();
        unix.set_read_deadline(None).unwrap();
        ends_at_once!(tcp, _ = tcp.close().unwrap(), assert_closed);
        ends_at_once!(unix, _ = unix.close().unwrap(), assert_closed);
        drop(files);
    });
}

#[test]
fn sockets_at_the_limit_fail_with_a_remedy_and_the_poller_goes_on() {
    if !in_a_small_process("files::sockets_at_the_limit_fail_with_a_remedy_and_the_poller_goes_on")
    {
        return;
    }
    run(async |poller: Poller| {
        let (a, b) = netpoller_tests::tcp_pair(&poller);
        let files = hoard();
        let error = TcpListener::bind(loopback()).unwrap_err();
        assert!(error.to_string().contains("ulimit -n"), "{error}");
        assert!(Poller::builder().build().is_err());
        assert!(
            netpoller::pipe::pipe().is_err(),
            "no global poller, or no pipe"
        );
        assert!(a.duplicate().is_err());
        b.write_all(b"x").await.unwrap();
        assert_eq!(a.read(&mut [0; 8]).await.unwrap(), 1);
        a.set_read_deadline(netpoller_tests::soon()).unwrap();
        netpoller_tests::assert_timeout(a.read(&mut [0; 8]).await);
        drop(files);
        // The global poller is made now: its failure was not remembered.
        netpoller::pipe::pipe().unwrap();
    });
}

#[test]
fn the_endpoint_answers_the_first_who_asks_at_the_limit_of_open_files() {
    use netpoller::inspect::{Listen, Server};
    use netpoller_proto::v1::GetServerRequest;
    use netpoller_proto::v1::inspector_client::InspectorClient;

    if !in_a_small_process(
        "files::the_endpoint_answers_the_first_who_asks_at_the_limit_of_open_files",
    ) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let _server = Server::builder()
        .listen(Listen::Unix(path.clone()))
        .start()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let connect = async || {
        let path = path.clone();
        let connector = tower::service_fn(move |_| {
            let path = path.clone();
            async move {
                let stream = tokio::net::UnixStream::connect(path).await?;
                Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
            }
        });
        tonic::transport::Endpoint::from_static("http://localhost")
            .connect_with_connector(connector)
            .await
    };
    runtime.block_on(async {
        let ask = async || {
            let channel = connect().await.unwrap();
            let answer = InspectorClient::new(channel.clone())
                .get_server(GetServerRequest {})
                .await;
            answer.map(|answer| (channel, answer.into_inner().pid))
        };
        // An answer shows that the endpoint is up, with what it needs.
        drop(ask().await.unwrap());
        let mut files = hoard();
        // For the client's end, and none for the other.
        files.pop();
        let (first, pid) = tokio::time::timeout(LIMIT, ask()).await.unwrap().unwrap();
        assert_eq!(pid, std::process::id());
        // Whoever comes next waits until there is room.
        files.pop();
        let second = ask();
        let mut second = Box::pin(second);
        assert!(is_parked(&mut second).await);
        drop(files);
        tokio::time::timeout(LIMIT, second).await.unwrap().unwrap();
        drop(first);
    });
}

#[test]
fn sleeps_in_a_runtime_end_though_there_is_no_descriptor_for_its_poller() {
    if !in_a_small_process(
        "files::sleeps_in_a_runtime_end_though_there_is_no_descriptor_for_its_poller",
    ) {
        return;
    }
    use netpoller::time::{sleep, timeout};
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let short = std::time::Duration::from_millis(5);
    let sleeps = move |runtime: &tokio::runtime::Runtime| {
        runtime.block_on(async {
            sleep(short).await;
            let forever = timeout(short, std::future::pending::<()>());
            forever.await.unwrap_err();
        });
    };
    // With so many descriptors to spare its poller is made in part, with all of them whole.
    for spare in 0..8 {
        let runtime = runtime();
        let mut files = hoard();
        files.truncate(files.len() - spare);
        Lane::start(move || {
            let opened = runtime.block_on(async { netpoller::net::UnixStream::pair() });
            if let Err(error) = opened {
                // And not that the runtime has no I/O.
                assert!(error.to_string().contains("ulimit -n"), "{error}");
            }
            sleeps(&runtime);
            drop(files);
            sleeps(&runtime);
        })
        .join();
        // The second time there is a global poller, which nobody polls, and no way to.
        if spare == 0 {
            Poller::global();
        }
    }
}
