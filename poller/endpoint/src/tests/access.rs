//! Who is answered, and with what.

use std::os::fd::AsFd;

use netpoller_core::Kind;
use netpoller_proto::v1;
use netpoller_proto::v1::inspector_client::InspectorClient;
use rustix::process::Uid;
use rustix::thread::set_thread_res_uid;
use tonic::transport::Endpoint;

use crate::door::incoming::is_allowed_user;
use crate::fixture::{poller, run};
use crate::{Listen, Server, StartError};

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
    let asked = |expose| {
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
            let row = client
                .list_descriptors(request)
                .await
                .unwrap()
                .into_inner()
                .descriptors
                .remove(0);
            let one = v1::GetDescriptorRequest {
                poller: "hidden".into(),
                id: row.id().to_string(),
            };
            let described = client.get_descriptor(one).await.unwrap().into_inner();
            let server = client.get_server(v1::GetServerRequest {}).await.unwrap();
            let inode = described.kernel.unwrap().inode;
            let server = server.into_inner();
            (row.local, inode, server.redacted, server.executable)
        })
    };
    let (local, inode, redacted, executable) = asked(false);
    assert!(local.starts_with('#') && redacted);
    assert!(
        !executable.is_empty() && !executable.contains('/'),
        "{executable}"
    );
    assert_eq!(inode, 0, "with it /proc/net/tcp tells the address");
    let (local, inode, redacted, executable) = asked(true);
    assert_eq!((local, redacted), (address, false));
    assert!(executable.starts_with('/'), "{executable}");
    assert_ne!(inode, 0);
}

/// Runs `act` as nobody, on a thread of its own: the kernel's user ids belong to threads.
fn as_nobody<R: Send>(act: impl FnOnce() -> R + Send) -> R {
    let nobody = Uid::from_raw(65_534);
    let act = || {
        set_thread_res_uid(nobody, nobody, nobody).expect("only root can become somebody else");
        act()
    };
    std::thread::scope(|scope| scope.spawn(act).join().unwrap())
}

#[test]
#[ignore = "needs root"]
fn another_user_is_kept_out_by_the_socket_and_let_go_by_the_endpoint() {
    use std::fs::{Permissions, set_permissions};
    use std::io::{ErrorKind, Read};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    let directory = tempfile::tempdir().unwrap();
    set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let path = directory.path().join("s");
    let _server = Server::builder()
        .listen(Listen::Unix(path.clone()))
        .start()
        .unwrap();
    let connect = || UnixStream::connect(&path).map_err(|error| error.kind());
    let refused = as_nobody(connect);
    assert_eq!(refused.err(), Some(ErrorKind::PermissionDenied));

    // Somebody opens the socket to all, and still nobody else is answered.
    set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let mut stranger = as_nobody(connect).unwrap();
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
