//! Who may call: tokens, certificates, and listeners of different privilege.

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use netpoller_proto::v1::control_client::ControlClient;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tonic::{Code, Status};

use super::super::limits::Limits;
use super::super::notice::said;
use super::*;
use crate::{Kind, Poller};

pub(super) const TOKEN: &str = "f00dcafe0123456789abcdef01234567";
const OTHER_TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// An authority, and files with what it has certified.
pub(super) struct Authority {
    pub(super) directory: tempfile::TempDir,
    issuer: rcgen::CertifiedIssuer<'static, rcgen::KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let issuer = rcgen::CertifiedIssuer::self_signed(params, key).unwrap();
        let authority = Self {
            directory: tempfile::tempdir().unwrap(),
            issuer,
        };
        std::fs::write(authority.file("ca.crt"), authority.issuer.pem()).unwrap();
        authority.certify("server", &["localhost", "127.0.0.1"]);
        authority.certify("client", &["an inspector"]);
        authority
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn certify(&self, name: &str, names: &[&str]) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = rcgen::CertificateParams::new(names).unwrap_or_default();
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file(&format!("{name}.crt")), certificate.pem()).unwrap();
        self.secret(&format!("{name}.key"), &key.serialize_pem());
    }

    /// A file with mode 0600.
    pub(super) fn secret(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, text).unwrap();
        set_mode(&path, 0o600);
        path
    }

    pub(super) fn tls(&self) -> Tls {
        Tls::from_pem(self.file("server.crt"), self.file("server.key")).unwrap()
    }

    pub(super) fn token(&self) -> PathBuf {
        self.secret("token", &format!("{TOKEN}\n"))
    }

    /// A client that trusts this authority, and shows the certificate that `identity` has made for it.
    fn client(&self, identity: Option<&Authority>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.file("ca.crt")).unwrap())
            .unwrap();
        let provider = Arc::new(crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(authority) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_file(authority.file("client.crt")).unwrap()],
                    PrivateKeyDer::from_pem_file(authority.file("client.key")).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        TlsConnector::from(Arc::new(config))
    }
}

/// The port of a target on loopback.
pub(super) fn loopback(target: &str) -> SocketAddr {
    let address: SocketAddr = target.strip_prefix("tcp:").unwrap().parse().unwrap();
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}

async fn plain(target: &str) -> Channel {
    let uri = format!("http://{}", loopback(target));
    Endpoint::from_shared(uri).unwrap().connect().await.unwrap()
}

async fn over_tls(target: &str, tls: TlsConnector) -> Result<Channel, tonic::transport::Error> {
    let address = loopback(target);
    let connector = tower::service_fn(move |_: Uri| {
        let tls = tls.clone();
        async move {
            let stream = tokio::net::TcpStream::connect(address).await?;
            let name = ServerName::try_from("localhost").unwrap();
            tls.connect(name, stream)
                .await
                .map(hyper_util::rt::TokioIo::new)
        }
    });
    Endpoint::from_static("https://localhost")
        .connect_with_connector(connector)
        .await
}

/// Whether whoever shows `token` is answered.
async fn ask_with(channel: Channel, token: Option<&str>) -> Result<(), Status> {
    let mut request = tonic::Request::new(v1::GetServerRequest {});
    if let Some(token) = token {
        let value = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    let answer = InspectorClient::new(channel).get_server(request).await?;
    assert_eq!(answer.into_inner().pid, std::process::id());
    Ok(())
}

fn any_tcp() -> Listen {
    "tcp:0.0.0.0:0".parse().unwrap()
}

fn loopback_tcp() -> Listen {
    "tcp:127.0.0.1:0".parse().unwrap()
}

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
    if is_root() {
        set_mode(&token, 0o600);
        std::os::unix::fs::chown(&token, Some(65_534), None).unwrap();
        assert_eq!(problem(&token), SecretProblem::ForeignOwner { uid: 65_534 });
    }
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
    #[cfg(feature = "prometheus")]
    {
        shown += &crate::prometheus::encode();
    }
    assert!(!shown.contains(TOKEN) && !shown.contains(OTHER_TOKEN));
}

#[test]
fn an_insecure_listener_has_to_be_asked_for_by_name_and_is_told() {
    let gauge = |value: u32| {
        #[cfg(feature = "prometheus")]
        {
            let text = crate::prometheus::encode();
            assert!(
                text.contains(&format!("\nnetpoller_introspection_insecure {value}\n")),
                "{text}"
            );
        }
        #[cfg(not(feature = "prometheus"))]
        assert_eq!(crate::host::posture::insecure(), u64::from(value));
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

/// Asks `Control` for something that may be missing: what matters is whether it comes to that.
async fn break_poller(channel: Channel, token: Option<&str>) -> Result<(), Status> {
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
    let fixture = Fixture::new();
    assert!(fixture.server.control_targets().is_empty());
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
    let calls_before = crate::host::posture::control_calls();
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
    let (ok, failed) = crate::host::posture::control_calls();
    assert!(ok + failed >= calls_before.0 + calls_before.1 + 30);
    let caller = format!(
        "by uid {} pid {}",
        crate::sys::effective_uid(),
        std::process::id()
    );
    let said = said::all();
    let noted = said.lines().filter(|line| {
        line.contains("control: /netpoller.v1.Control/Break") && line.contains(&caller)
    });
    assert!(noted.count() >= 6, "{said}");
    assert!(said.contains("ResourceExhausted"), "{said}");
}

#[test]
fn the_default_socket_of_control_lies_beside_that_of_the_inspector() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::builder()
        .listen(Listen::Unix(directory.path().join("s")))
        .control(Listen::Default)
        .start()
        .unwrap();
    let path = PathBuf::from(server.control_targets()[0].strip_prefix("unix:").unwrap());
    let (pid, start) = (std::process::id(), crate::sys::start_ticks());
    let name = path.file_name().unwrap().to_str();
    assert_eq!(name, Some(&*format!("{pid}-{start}.control.sock")));
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    drop(server);
    assert!(!path.exists());
}

#[test]
fn what_was_done_is_noted_with_what_it_was_done_to() {
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
        id: desc.id(),
    };
    let answer = run(async {
        let mut client = ControlClient::new(channel(path).await.unwrap());
        client.evict(request).await.unwrap().into_inner()
    });
    assert!(answer.evicted);
    let (uid, pid) = (crate::sys::effective_uid(), std::process::id());
    let id = desc.id();
    let note = format!(
        "netpoller: control: /netpoller.v1.Control/Evict acted_upon/{id} by uid {uid} pid {pid}: ok\n"
    );
    assert!(said::all().contains(&note), "{}", said::all());
}

#[test]
fn health_is_told_everywhere_and_the_protocol_only_where_one_looks() {
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
