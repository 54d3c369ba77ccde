//! Who may change: `Control` has listeners and tokens of its own, and each call is noted.

use std::os::fd::AsFd;

use netpoller_core::{Kind, Poller, internals};
use netpoller_proto::v1::control_client::ControlClient;
use tonic::{Code, Status};

use super::authority::*;
use super::*;
use crate::limits::Limits;

/// Asks `Control` for something that may be missing: what matters is whether it comes to that.
pub(super) async fn break_poller(channel: Channel, token: Option<&str>) -> Result<(), Status> {
    let mut request = tonic::Request::new(v1::BreakRequest {
        poller: "there is none of that name".into(),
    });
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    match ControlClient::new(channel).r#break(request).await {
        Err(status) if status.code() == Code::NotFound => Ok(()),
        Err(status) => Err(status),
        Ok(_) => Ok(()),
    }
}

#[test]
fn who_may_look_may_not_change_and_who_may_change_does_not_look_there() {
    let directory = tempfile::tempdir().unwrap();
    let (look, change) = (
        directory.path().join("look"),
        directory.path().join("change"),
    );
    let server = Server::builder()
        .listen(Listen::Unix(look.clone()))
        .control(Listen::Unix(change.clone()))
        .start()
        .unwrap();
    assert_eq!(
        server.control_targets(),
        [format!("unix:{}", change.display())]
    );
    assert_eq!(mode(&change), 0o600);
    run(async {
        let look = channel(look).await.unwrap();
        let change = channel(change).await.unwrap();
        ask_with(look.clone(), None).await.unwrap();
        break_poller(change.clone(), None).await.unwrap();
        let refused = [
            break_poller(look, None).await.unwrap_err(),
            ask_with(change, None).await.unwrap_err(),
        ];
        for status in refused {
            assert_eq!(status.code(), Code::Unimplemented, "{status}");
        }
    });
}

#[test]
fn nothing_can_be_changed_unless_the_program_says_where() {
    let fixture = Fixture::with_tcp(Limits::default());
    assert!(fixture.server().control_targets().is_empty());
    run(async {
        let refused = break_poller(fixture.channel().await, None)
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented);
    });
}

#[test]
fn over_tcp_control_asks_for_a_token_of_its_own() {
    let authority = Authority::new();
    let control_token = authority.secret("control", OTHER_TOKEN);
    let builder = || Server::builder().listen(loopback_tcp());
    for address in [loopback_tcp(), any_tcp()] {
        let error = builder()
            .control(address)
            .token_file(authority.token())
            .start()
            .unwrap_err();
        assert!(
            matches!(error, StartError::ControlWithoutToken { .. }),
            "{error}"
        );
    }
    let plain_text = builder()
        .control(any_tcp())
        .control_token_file(&control_token);
    assert!(matches!(
        plain_text.start(),
        Err(StartError::NotLoopback { .. })
    ));
    let same = builder()
        .control(loopback_tcp())
        .token_file(authority.token())
        .control_token_file(authority.secret("same", TOKEN));
    assert!(matches!(same.start(), Err(StartError::SameToken)));

    let server = builder()
        .control(loopback_tcp())
        .token_file(authority.token())
        .control_token_file(&control_token)
        .start()
        .unwrap();
    run(async {
        let look = plain(server.target()).await;
        let change = plain(&server.control_targets()[0]).await;
        ask_with(look.clone(), Some(TOKEN)).await.unwrap();
        break_poller(change.clone(), Some(OTHER_TOKEN))
            .await
            .unwrap();
        let crossed = [
            ask_with(look, Some(OTHER_TOKEN)).await.unwrap_err(),
            break_poller(change.clone(), Some(TOKEN)).await.unwrap_err(),
            break_poller(change, None).await.unwrap_err(),
        ];
        for status in crossed {
            assert_eq!(status.code(), Code::Unauthenticated, "{status}");
        }
    });
}

#[test]
fn each_call_of_control_is_noted_with_its_caller_and_too_many_are_refused() {
    said::keep();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("noted");
    let limits = Limits {
        control_rate: 3,
        ..Limits::default()
    };
    let _server = Server::builder()
        .listen(Listen::Unix(directory.path().join("s")))
        .control(Listen::Unix(path.clone()))
        .limits(limits)
        .start()
        .unwrap();
    let calls_before = netpoller_host::posture::control_calls();
    let refused = run(async {
        let channel = channel(path).await.unwrap();
        let mut refused = 0;
        for _ in 0..30 {
            match break_poller(channel.clone(), None).await {
                Err(status) if status.code() == Code::ResourceExhausted => refused += 1,
                other => other.unwrap(),
            }
        }
        refused
    });
    assert!((1..=27).contains(&refused), "{refused}");
    let (ok, failed) = netpoller_host::posture::control_calls();
    assert!(ok + failed >= calls_before.0 + calls_before.1 + 30);
    let caller = format!(
        "by uid {} pid {}",
        internals::effective_uid(),
        std::process::id()
    );
    let said = said::all();
    let noted = said.lines().filter(|line| {
        line.contains("control: /netpoller.v1.Control/Break") && line.contains(&caller)
    });
    // Those that passed, and the first of those that did not; the others are counted a second
    // later.
    assert!(noted.count() >= 4, "{said}");
    assert!(said.contains("ResourceExhausted"), "{said}");
}

#[test]
fn whoever_shows_no_token_writes_a_line_a_second_to_the_log_and_none_of_their_words() {
    said::keep();
    let authority = Authority::new();
    let server = Server::builder()
        .listen(loopback_tcp())
        .control(loopback_tcp())
        .control_token_file(authority.secret("control", OTHER_TOKEN))
        .start()
        .unwrap();
    // All of their bytes are read at once.
    const CALLS: usize = 12;
    let began = std::time::Instant::now();
    run(async {
        let mut channel = plain(&server.control_targets()[0]).await;
        for number in 0..CALLS {
            let path = format!("/evil-{number}/{}", "x".repeat(15_000));
            let request = garbage::grpc(&path).uri(format!("http://localhost{path}"));
            let request = request.body(garbage::body(vec![0; 5])).unwrap();
            garbage::raw(&mut channel, request).await;
        }
    });
    let peers = |said: &str| {
        let lines = said.lines();
        let unknown = lines.filter(|line| line.contains("control: unknown method by 127.0.0.1:"));
        unknown.count()
    };
    // The rest is counted, a second after the first.
    let said = loop {
        let said = said::all();
        if said.contains(" more that did not pass") {
            break said;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(!said.contains("/evil-"), "{said}");
    assert!(said.lines().all(|line| line.len() < 1000), "{said}");
    let most = 1 + began.elapsed().as_secs() as usize;
    assert!((1..=most.min(CALLS - 1)).contains(&peers(&said)), "{said}");
}

#[test]
fn the_default_socket_of_control_lies_beside_that_of_the_inspector() {
    const THIS: &str = "the_default_socket_of_control_lies_beside_that_of_the_inspector";
    if !in_own_runtime_dir(&format!("security_tests::privilege::{THIS}")) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let server = Server::builder()
        .listen(Listen::Unix(directory.path().join("s")))
        .control(Listen::Default)
        .start()
        .unwrap();
    let path = PathBuf::from(server.control_targets()[0].strip_prefix("unix:").unwrap());
    let (pid, start) = (std::process::id(), internals::start_ticks());
    let name = path.file_name().unwrap().to_str();
    assert_eq!(name, Some(&*format!("{pid}-{start}.control.sock")));
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    drop(server);
    assert!(!path.exists());
}

#[test]
fn what_was_done_is_noted_with_what_it_was_done_to() {
    said::keep();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control");
    let _server = Server::builder()
        .listen(Listen::Unix(directory.path().join("s")))
        .control(Listen::Unix(path.clone()))
        .start()
        .unwrap();
    let poller = Poller::builder().name("acted_upon").build().unwrap();
    let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let desc = poller.open(ours.as_fd(), Kind::Unix).unwrap();
    let request = v1::EvictRequest {
        poller: "acted_upon".into(),
        id: desc.id().to_string(),
    };
    let answer = run(async {
        let mut client = ControlClient::new(channel(path).await.unwrap());
        client.evict(request).await.unwrap().into_inner()
    });
    assert!(answer.evicted);
    let (uid, pid) = (internals::effective_uid(), std::process::id());
    let id = desc.id().to_string();
    let note = format!(
        "netpoller: control: /netpoller.v1.Control/Evict acted_upon/{id} by uid {uid} pid {pid}: ok\n"
    );
    assert!(said::all().contains(&note), "{}", said::all());
}

#[test]
fn health_is_told_everywhere_and_the_protocol_only_where_one_looks() {
    said::keep();
    let directory = tempfile::tempdir().unwrap();
    let (look, change) = (
        directory.path().join("look"),
        directory.path().join("change"),
    );
    let _server = Server::builder()
        .listen(Listen::Unix(look.clone()))
        .control(Listen::Unix(change.clone()))
        .limits(Limits {
            control_rate: 1,
            ..Limits::default()
        })
        .start()
        .unwrap();
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    run(async {
        let look = channel(look).await.unwrap();
        let change = channel(change).await.unwrap();
        // As often as one likes, and nobody notes it.
        for channel in [&look, &change, &look, &change] {
            let request = garbage::grpc("/grpc.health.v1.Health/Check");
            let request = request.body(garbage::body(vec![0; 5])).unwrap();
            let answer = garbage::raw(&mut channel.clone(), request).await;
            assert!(!answer.headers().contains_key("grpc-status"));
        }
        for (channel, is_there) in [(&look, true), (&change, false)] {
            let request = garbage::grpc(reflection);
            let request = request.body(garbage::body(vec![0; 5])).unwrap();
            let answer = garbage::raw(&mut channel.clone(), request).await;
            let status = answer.headers().get("grpc-status").cloned();
            let unimplemented = status.is_some_and(|status| status == "12");
            assert_eq!(unimplemented, !is_there);
        }
    });
    assert!(!said::all().contains("grpc.health"));
}
