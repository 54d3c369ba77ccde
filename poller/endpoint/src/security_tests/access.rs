//! Who may look: tokens, certificates, and listeners that others can reach.

use std::os::fd::AsFd;

use netpoller_core::{Kind, Poller};
use tonic::{Code, Status};

use super::authority::*;
use super::privilege::break_poller;
use super::*;

#[test]
fn an_address_that_others_can_reach_has_to_be_secured() {
    let authority = Authority::new();
    let builder = || Server::builder().listen(any_tcp());
    let plain = [builder(), builder().token_file(authority.token())];
    for builder in plain {
        let error = builder.start().unwrap_err();
        assert!(matches!(error, StartError::NotLoopback { .. }), "{error}");
    }
    let error = builder().tls(authority.tls()).start().unwrap_err();
    assert!(
        matches!(error, StartError::AnybodyMayCall { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("token_file"), "{error}");
    // Certificates of clients are asked for by TLS alone.
    let error = builder().client_ca(authority.file("ca.crt")).start();
    assert!(matches!(error, Err(StartError::NotLoopback { .. })));

    let with_token = builder().tls(authority.tls()).token_file(authority.token());
    with_token.start().unwrap();
    let with_certificates = builder()
        .tls(authority.tls())
        .client_ca(authority.file("ca.crt"));
    with_certificates.start().unwrap();
}

#[test]
fn over_tls_who_shows_the_token_is_answered_and_nobody_else() {
    let authority = Authority::new();
    let server = Server::builder()
        .listen(any_tcp())
        .tls(authority.tls())
        .token_file(authority.token())
        .start()
        .unwrap();
    run(async {
        let channel = over_tls(server.target(), authority.client(None)).await;
        let channel = channel.unwrap();
        ask_with(channel.clone(), Some(TOKEN)).await.unwrap();
        for wrong in [None, Some(OTHER_TOKEN), Some(&TOKEN[1..]), Some("")] {
            let refused = ask_with(channel.clone(), wrong).await.unwrap_err();
            assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
            assert!(!refused.to_string().contains(TOKEN), "{refused}");
        }
    });
}

#[test]
fn with_certificates_asked_for_only_who_has_one_of_the_right_authority_is_answered() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let server = Server::builder()
        .listen(any_tcp())
        .tls(authority.tls())
        .client_ca(authority.file("ca.crt"))
        .start()
        .unwrap();
    run(async {
        let attempt = async |tls| {
            let channel = over_tls(server.target(), tls).await;
            ask_with(
                channel.map_err(|error| Status::from_error(error.into()))?,
                None,
            )
            .await
        };
        attempt(authority.client(Some(&authority))).await.unwrap();
        attempt(authority.client(None))
            .await
            .expect_err("no certificate");
        attempt(authority.client(Some(&stranger)))
            .await
            .expect_err("of another authority");
        attempt(stranger.client(Some(&authority)))
            .await
            .expect_err("the client does not trust the server");
        attempt(authority.client(Some(&authority))).await.unwrap();
    });
}

/// Seconds of a certificate: for some handshakes on a loaded machine.
const VALID: Duration = Duration::from_secs(10);

#[test]
fn a_certificate_that_has_expired_is_not_let_in_by_resuming_in_either_version_of_tls() {
    use tokio_rustls::rustls::version::{TLS12, TLS13};

    let authority = Authority::new();
    let server = Server::builder()
        .listen(any_tcp())
        .tls(authority.tls())
        .client_ca(authority.file("ca.crt"))
        .start()
        .unwrap();
    let now = std::time::SystemTime::now();
    let expires = now.duration_since(std::time::UNIX_EPOCH).unwrap() + VALID;
    authority.certify_with("short", &["an inspector"], |params| {
        params.not_after =
            rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(expires.as_secs());
    });
    let clients = [[&TLS12], [&TLS13]]
        .map(|versions| authority.client_of(Some((&authority, "short")), &versions));
    let attempt = async |tls| -> Result<(), Status> {
        let channel = over_tls(server.target(), tls).await;
        let channel = channel.map_err(|error| Status::from_error(error.into()))?;
        ask_with(channel, None).await
    };
    run(async {
        // Twice, so that whoever can resume has.
        for _ in 0..2 {
            for client in &clients {
                attempt(client.clone()).await.unwrap();
            }
        }
        // By the clock that says when it expires, and a second for the one who rounds.
        let over = std::time::UNIX_EPOCH + expires + Duration::from_secs(1);
        while let Ok(left) = over.duration_since(std::time::SystemTime::now()) {
            tokio::time::sleep(left).await;
        }
        for client in &clients {
            for _ in 0..2 {
                attempt(client.clone()).await.expect_err("it has expired");
            }
        }
        attempt(authority.client(Some(&authority))).await.unwrap();
    });
}

#[test]
fn the_certificate_of_a_service_is_not_one_of_an_inspector() {
    use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    use tokio_rustls::rustls::version::{TLS12, TLS13};

    let authority = Authority::new();
    for (name, usage) in [("service", ServerAuth), ("inspector", ClientAuth)] {
        authority.certify_with(name, &["localhost"], |params| {
            params.extended_key_usages = vec![usage];
        });
    }
    let tls = Tls::from_pem(authority.file("service.crt"), authority.file("service.key"));
    let server = Server::builder()
        .listen(any_tcp())
        .tls(tls.unwrap())
        .client_ca(authority.file("ca.crt"))
        .start()
        .unwrap();
    let attempt = async |name| -> Result<(), Status> {
        let tls = authority.client_of(Some((&authority, name)), &[&TLS12, &TLS13]);
        let channel = over_tls(server.target(), tls).await;
        let channel = channel.map_err(|error| Status::from_error(error.into()))?;
        ask_with(channel, None).await
    };
    run(async {
        attempt("inspector").await.unwrap();
        attempt("service").await.expect_err("it is for servers");
    });
}

#[test]
fn a_certificate_and_a_token_are_both_asked_for_if_both_are_set() {
    let authority = Authority::new();
    let server = Server::builder()
        .listen(any_tcp())
        .tls(authority.tls())
        .client_ca(authority.file("ca.crt"))
        .token_file(authority.token())
        .start()
        .unwrap();
    run(async {
        let tls = authority.client(Some(&authority));
        let channel = over_tls(server.target(), tls).await.unwrap();
        ask_with(channel.clone(), Some(TOKEN)).await.unwrap();
        let refused = ask_with(channel, None).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        if let Ok(channel) = over_tls(server.target(), authority.client(None)).await {
            ask_with(channel, Some(TOKEN))
                .await
                .expect_err("no certificate");
        }
    });
}

#[test]
fn on_loopback_a_token_needs_no_tls_and_on_a_unix_socket_nobody_is_asked_for_it() {
    let authority = Authority::new();
    let path = authority.file("s");
    let server = Server::builder()
        .listen(loopback_tcp())
        .listen(Listen::Unix(path.clone()))
        .token_file(authority.token())
        .start()
        .unwrap();
    run(async {
        let channel = plain(server.target()).await;
        ask_with(channel.clone(), Some(TOKEN)).await.unwrap();
        let refused = ask_with(channel, None).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        ask(super::channel(path).await.unwrap()).await.unwrap();
    });
}

#[test]
fn a_token_that_is_no_secret_is_refused_at_the_start() {
    let authority = Authority::new();
    let start = |path: &Path| {
        let builder = Server::builder().listen(loopback_tcp());
        builder.token_file(path).start()
    };
    let problem = |path: &Path| match start(path) {
        Err(StartError::Secret { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    let token = authority.token();
    for mode in [0o640, 0o604, 0o620, 0o666] {
        set_mode(&token, mode);
        assert_eq!(problem(&token), SecretProblem::Open { mode });
    }
    set_mode(&token, 0o400);
    start(&token).unwrap();
    // As a container's secrets are mounted.
    let link = authority.file("link");
    std::os::unix::fs::symlink(&token, &link).unwrap();
    start(&link).unwrap();

    let short = authority.secret("short", &TOKEN[1..]);
    assert_eq!(problem(&short), SecretProblem::TooShort);
    let error = start(&short).unwrap_err().to_string();
    assert!(error.contains("openssl rand -hex 32"), "{error}");
    assert!(!error.contains(&TOKEN[1..]), "{error}");
    assert_eq!(
        problem(&authority.secret("empty", "")),
        SecretProblem::TooShort
    );
    let words = authority.secret("words", "correct horse battery staple and more");
    assert_eq!(problem(&words), SecretProblem::NotText);
    assert_eq!(problem(authority.directory.path()), SecretProblem::NotAFile);
    // Nobody writes to it, and the start does not wait for anybody to.
    let pipe = authority.file("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    assert_eq!(problem(&pipe), SecretProblem::NotAFile);
    assert!(matches!(
        start(&authority.file("missing")),
        Err(StartError::Io { .. })
    ));
}

#[test]
#[ignore = "needs root"]
fn a_token_of_somebody_else_is_refused() {
    let authority = Authority::new();
    let token = authority.secret("token", TOKEN);
    std::os::unix::fs::chown(&token, Some(65_534), None).unwrap();
    let error = Server::builder()
        .listen(loopback_tcp())
        .token_file(&token)
        .start()
        .unwrap_err();
    let StartError::Secret { problem, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(problem, SecretProblem::ForeignOwner { uid: 65_534 });
}

#[test]
fn a_key_that_others_can_read_and_files_that_are_something_else_are_refused() {
    let authority = Authority::new();
    let (certificate, key) = (authority.file("server.crt"), authority.file("server.key"));
    set_mode(&key, 0o640);
    Tls::from_pem(&certificate, &key).unwrap();
    for mode in [0o644, 0o660] {
        set_mode(&key, mode);
        let error = Tls::from_pem(&certificate, &key).unwrap_err();
        assert!(matches!(error, StartError::Secret { .. }), "{error}");
    }
    set_mode(&key, 0o600);
    let mixed_up = [
        Tls::from_pem(&key, &key).unwrap_err(),
        Tls::from_pem(&certificate, authority.secret("no.key", "-")).unwrap_err(),
        // The key of another certificate.
        Server::builder()
            .listen(loopback_tcp())
            .tls(Tls::from_pem(&certificate, authority.file("client.key")).unwrap())
            .start()
            .unwrap_err(),
        Server::builder()
            .listen(loopback_tcp())
            .tls(authority.tls())
            .client_ca(&key)
            .start()
            .unwrap_err(),
    ];
    for error in mixed_up {
        assert!(matches!(error, StartError::Tls { .. }), "{error}");
    }
    let shown = format!("{:?}", authority.tls());
    assert!(shown.contains("server.key") && !shown.contains("PRIVATE"));
}

#[test]
fn the_token_is_shown_nowhere() {
    said::keep();
    let authority = Authority::new();
    let control_token = authority.secret("control", OTHER_TOKEN);
    let builder = Server::builder()
        .listen(loopback_tcp())
        .control(loopback_tcp())
        .token_file(authority.token())
        .control_token_file(control_token);
    let mut shown = format!("{builder:?}");
    let server = builder.start().unwrap();
    shown += &format!("{server:?}");
    run(async {
        // The calls of Control are noted: one with its token, one with none, one with the other.
        for token in [Some(OTHER_TOKEN), None, Some(TOKEN)] {
            let channel = plain(&server.control_targets()[0]).await;
            if let Err(status) = break_poller(channel, token).await {
                shown += &format!("{status:?} {status}");
            }
        }
        shown += &ask_with(plain(server.target()).await, Some(OTHER_TOKEN))
            .await
            .unwrap_err()
            .to_string();
    });
    let said = said::all();
    assert!(said.contains("/netpoller.v1.Control/Break"), "{said}");
    shown += &said;
    shown += &netpoller_metrics::encode();
    assert!(!shown.contains(TOKEN) && !shown.contains(OTHER_TOKEN));
}

#[test]
fn an_insecure_listener_has_to_be_asked_for_by_name_and_is_told() {
    said::keep();
    let gauge = |value: u32| {
        let text = netpoller_metrics::encode();
        assert!(
            text.contains(&format!("\nnetpoller_introspection_insecure {value}\n")),
            "{text}"
        );
    };
    gauge(0);
    let server = Server::builder()
        .listen(loopback_tcp())
        .listen(any_tcp())
        .allow_insecure()
        .start()
        .unwrap();
    gauge(1);
    let said = said::all();
    assert!(
        said.contains("netpoller: INSECURE") && said.contains("0.0.0.0:0"),
        "{said}"
    );
    run(async { ask_with(plain(&server.targets()[1]).await, None).await }).unwrap();
    drop(server);
    gauge(0);
    // What changes something is not meant by it.
    let refused = Server::builder()
        .listen(loopback_tcp())
        .control(any_tcp())
        .control_token_file(Authority::new().token())
        .allow_insecure()
        .start();
    assert!(refused.is_err());
}

#[test]
fn over_tls_addresses_are_hidden_too() {
    let poller = Poller::builder().name("hidden_over_tls").build().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let _desc = poller.open(listener.as_fd(), Kind::TcpListener).unwrap();
    let authority = Authority::new();
    let local = |expose| {
        let server = Server::builder()
            .listen(loopback_tcp())
            .tls(authority.tls())
            .expose_addresses(expose)
            .start()
            .unwrap();
        run(async {
            let channel = over_tls(server.target(), authority.client(None)).await;
            let request = v1::ListDescriptorsRequest {
                poller: "hidden_over_tls".into(),
                ..Default::default()
            };
            let answer = InspectorClient::new(channel.unwrap())
                .list_descriptors(request)
                .await;
            answer.unwrap().into_inner().descriptors.remove(0).local
        })
    };
    assert!(local(false).starts_with('#'));
    assert_eq!(local(true), listener.local_addr().unwrap().to_string());
}
