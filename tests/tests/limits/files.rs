//! At the limit of open files, in a child process with a low one.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::TcpStream as StdStream;
use std::process::Command;

use netpoller::Poller;
use netpoller::net::{TcpListener, UnixListener};
use netpoller_tests::{LIMIT, Lane, assert_errno, is_parked, loopback, run};

/// Runs the test `name` of this binary again, in a process that may open 64 files. `true` in that process.
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
    run(async |poller: Poller| {
        let listener = TcpListener::bind_on(&poller, loopback()).unwrap();
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
    run(async |poller: Poller| {
        let listener = TcpListener::bind_on(&poller, loopback()).unwrap();
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
fn semantics_55_unix_incoming_goes_on_as_well() {
    if !in_a_small_process("files::semantics_55_unix_incoming_goes_on_as_well") {
        return;
    }
    run(async |poller: Poller| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind_on(&poller, &path).unwrap();
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

#[test]
fn sockets_at_the_limit_fail_with_a_remedy_and_the_poller_goes_on() {
    if !in_a_small_process("files::sockets_at_the_limit_fail_with_a_remedy_and_the_poller_goes_on")
    {
        return;
    }
    run(async |poller: Poller| {
        let (a, b) = netpoller_tests::tcp_pair(&poller);
        let files = hoard();
        let error = TcpListener::bind_on(&poller, loopback()).unwrap_err();
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
