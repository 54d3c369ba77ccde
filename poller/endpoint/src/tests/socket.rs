//! Where the socket is, whose, and what becomes of it.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use netpoller_core::internals;
use netpoller_proto::v1;

use crate::door::socket::SocketFile;
use crate::error::DirectoryProblem;
use crate::fixture::{connect, in_own_runtime_dir, mode, run};
use crate::{Listen, Server, StartError};

fn start_at(path: impl Into<PathBuf>) -> Result<Server, StartError> {
    Server::builder().listen(Listen::Unix(path.into())).start()
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
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
    if !in_own_runtime_dir(
        "tests::socket::the_default_socket_is_named_after_the_life_of_the_process",
    ) {
        return;
    }
    let server = Server::builder().start().unwrap();
    let path = PathBuf::from(server.target().strip_prefix("unix:").unwrap());
    let name = format!("{}-{}.sock", std::process::id(), internals::start_ticks());
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
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
}

#[test]
#[ignore = "needs root"]
fn a_chosen_directory_of_somebody_else_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let directory = scratch.path().join("d");
    std::fs::create_dir(&directory).unwrap();
    for mode in [0o700, 0o1777] {
        set_mode(&directory, mode);
        std::os::unix::fs::chown(&directory, Some(65_534), None).unwrap();
        match start_at(directory.join("s")) {
            Err(StartError::Directory {
                problem: DirectoryProblem::ForeignOwner { uid: 65_534 },
                ..
            }) => {}
            other => panic!("{other:?}"),
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
    let started = started.recv_timeout(Duration::from_secs(60));
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

/// The name under which libtest knows a test of this file, for a process of its own that is to be
/// only that.
fn as_child(test: &str, variable: &str, value: &Path) -> std::process::Command {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "--nocapture", "--test-threads=1"])
        .arg(format!("tests::socket::{test}"))
        .env(variable, value);
    command
}

/// What follows `mark` in a line that a child writes; libtest has written before it.
fn told(output: &mut impl std::io::BufRead, mark: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(output.read_line(&mut line).unwrap() > 0, "no {mark}");
        if let Some((_, value)) = line.split_once(mark) {
            return value.trim().to_owned();
        }
    }
}

#[test]
#[allow(
    clippy::zombie_processes,
    reason = "the child outlives its parent, which is what is tried"
)]
fn a_socket_that_only_a_child_keeps_of_a_process_that_is_gone_is_stale() {
    const PATH: &str = "NETPOLLER_TEST_SOCKET_OF_A_PARENT";
    if let Some(path) = std::env::var_os(PATH) {
        // A process that listens and has a child with all of its descriptors, as after fork(2).
        let listener = UnixListener::bind(PathBuf::from(path)).unwrap();
        let child = std::process::Command::new("sleep")
            .arg("600")
            .stdin(std::os::fd::OwnedFd::from(listener))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        println!("child={}", child.id());
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let test = "a_socket_that_only_a_child_keeps_of_a_process_that_is_gone_is_stale";
    let parent = as_child(test, PATH, &path).output().unwrap();
    let child = told(&mut &parent.stdout[..], "child=");
    // It can be connected to, and nobody will ever answer.
    UnixStream::connect(&path).unwrap();
    let server = start_at(&path);
    // The shell's own: the program is not on every machine.
    let kill = std::process::Command::new("sh")
        .args(["-c", "kill $0", &child])
        .status();
    assert!(kill.unwrap().success());
    let server = server.unwrap();
    run(async { connect(path.clone()).await.unwrap() });
    drop(server);
    assert!(!path.exists());
}

#[test]
fn with_no_descriptor_left_one_inspector_after_the_other_is_answered() {
    use std::io::{Read, Write};

    const DIRECTORY: &str = "NETPOLLER_TEST_WITHOUT_DESCRIPTORS";
    const LIMIT: u64 = 40;
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        rlimit::Resource::NOFILE.set(LIMIT, LIMIT).unwrap();
        let _server = start_at(PathBuf::from(directory).join("s")).unwrap();
        // A service that takes whatever descriptor is free.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        println!("port={}", listener.local_addr().unwrap().port());
        std::thread::spawn(move || {
            let mut clients = Vec::new();
            loop {
                match listener.accept() {
                    Ok((client, _)) => clients.push(client),
                    Err(_) => {
                        println!("full=1");
                        std::thread::sleep(Duration::from_millis(10));
                    }
                }
            }
        });
        // Until the parent has seen enough.
        let _ = std::io::stdin().read(&mut [0]);
        return;
    }
    // Between giving a descriptor up and accepting with it, a slow machine may let the service take
    // it, and so both of the reserve: then nobody is answered as long as that keeps all.
    let answered = || {
        let directory = tempfile::tempdir().unwrap();
        let test = "with_no_descriptor_left_one_inspector_after_the_other_is_answered";
        let mut child = as_child(test, DIRECTORY, directory.path())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
        let port: u16 = told(&mut output, "port=").parse().unwrap();
        let _clients: Vec<_> = (0..2 * LIMIT)
            .map(|_| std::net::TcpStream::connect(("127.0.0.1", port)).unwrap())
            .collect();
        told(&mut output, "full=");
        for round in 0..6 {
            let asked = async {
                let mut client = connect(directory.path().join("s")).await.unwrap();
                client.get_server(v1::GetServerRequest {}).await
            };
            let limit = Duration::from_secs(60);
            let answer = run(async { tokio::time::timeout(limit, asked).await });
            let Ok(answer) = answer else {
                child.kill().unwrap();
                child.wait().unwrap();
                return false;
            };
            let answer = answer.unwrap_or_else(|status| panic!("inspector {round}: {status}"));
            assert_eq!(answer.into_inner().pid, child.id());
            // They are all taken still.
            told(&mut output, "full=");
        }
        child.stdin.take().unwrap().write_all(b".").unwrap();
        // Its output must have somebody to go to.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        assert!(child.wait().unwrap().success());
        true
    };
    assert!((0..3).any(|_| answered()), "three services kept all");
}
