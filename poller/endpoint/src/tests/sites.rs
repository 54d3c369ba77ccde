//! Which lines open descriptors, and who is at the other end.

use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::pin::pin;

use netpoller_core::{Desc, Direction, Kind, Poller};
use netpoller_proto::v1;
use netpoller_proto::v1::inspector_client::InspectorClient;
use tonic::Code;
use tonic::transport::Endpoint;

use crate::fixture::{Fixture, kept, park, poller, run};

fn ask(fixture: &Fixture, poller: &str) -> v1::ListSitesResponse {
    let request = v1::ListSitesRequest {
        poller: poller.into(),
    };
    run(async { fixture.client().await.list_sites(request).await.unwrap() }).into_inner()
}

/// A connection to a listener, whose two ends are registered at lines of their own.
fn connected(poller: &Poller, to: &TcpListener) -> ([Desc; 2], [TcpStream; 2]) {
    let ours = TcpStream::connect(to.local_addr().unwrap()).unwrap();
    let (theirs, _) = to.accept().unwrap();
    let connected = poller.open(ours.as_fd(), Kind::Tcp).unwrap();
    let accepted = poller.open(theirs.as_fd(), Kind::Tcp).unwrap();
    ([connected, accepted], [ours, theirs])
}

/// (peer, state, count) of each group.
fn groups(site: &v1::Site) -> Vec<(&str, &str, u64)> {
    let groups = site.groups.iter();
    let count = |it: &v1::SiteGroup| it.rows.as_ref().unwrap().count;
    groups
        .map(|it| (it.peer.as_str(), it.state.as_str(), count(it)))
        .collect()
}

#[test]
fn each_line_has_its_counts_and_its_rows_by_peer_and_state() {
    let poller = poller("sites_grouped");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let line = line!() + 1;
    let _listening = poller.open(listener.as_fd(), Kind::TcpListener).unwrap();
    let kept: Vec<_> = (0..4).map(|_| connected(&poller, &listener)).collect();
    let ([closed, _accepted], _streams) = connected(&poller, &listener);
    closed.close();
    let mut wait = pin!(kept[0].0[1].wait(Direction::Read));
    park(wait.as_mut());
    // One is thrown off, and its owner has not closed it yet.
    kept[1].0[1].unblock();
    run(async { netpoller_core::time::sleep(std::time::Duration::ZERO).await });

    let fixture = Fixture::new();
    let told = |site: &v1::Site| groups(site).iter().all(|(_, state, _)| *state != "tcp");
    // What the kernel said last may be used again for a while.
    let answer = loop {
        let answer = ask(&fixture, "sites_grouped");
        if answer.sites.len() == 3 && answer.sites.iter().all(told) {
            break answer;
        }
    };
    assert!(answer.captured_at_ns > 0 && answer.epoch > 0 && answer.sockets_error.is_empty());
    let [connects, accepts, listens] = &answer.sites[..] else {
        panic!("{answer:#?}")
    };
    assert!(
        listens.location.ends_with(&format!("sites.rs:{line}")),
        "{listens:#?}"
    );
    assert_eq!(
        [connects, accepts, listens].map(|site| (site.opened, site.closed)),
        [(5, 1), (5, 0), (1, 0)]
    );
    // Of whoever we connect to, the port says what it is; of whoever connects to us, nothing.
    let server = format!("127.0.0.1:{port}");
    assert_eq!(groups(connects), [(server.as_str(), "ESTABLISHED", 4)]);
    let rows = groups(accepts);
    assert_eq!(rows[0], ("127.0.0.1", "ESTABLISHED", 4));
    let [_, (_, "closing", 1)] = rows[..] else {
        panic!("{rows:?}")
    };
    assert_eq!(groups(listens), [("", "LISTEN", 1)]);
    let all = accepts.rows.as_ref().unwrap();
    assert_eq!((all.count, all.waited), (5, 1));
    let oldest = format!("sites_grouped/{}", kept[0].0[1].id());
    assert_eq!(all.oldest, oldest);
    let ages = [all.age_p50_ns, all.age_p90_ns, all.age_p99_ns];
    assert!(ages.is_sorted() && ages[2] == answer.captured_at_ns - all.oldest_at_ns);
}

#[test]
fn what_lies_in_the_kernel_is_added_up_and_addresses_are_hidden_where_they_must_be() {
    use std::io::Write;

    let poller = poller("sites_hidden");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ([ours, _theirs], mut streams) = connected(&poller, &listener);
    streams[1].write_all(&[7; 300]).unwrap();
    let fixture = Fixture::with_tcp(crate::limits::Limits::patient());
    let bytes = |answer: &v1::ListSitesResponse| {
        let rows = answer.sites.iter().filter_map(|site| site.rows.as_ref());
        rows.map(|rows| rows.queued_bytes).collect::<Vec<_>>()
    };
    while bytes(&ask(&fixture, "sites_hidden")) != [300, 0] {}
    let hidden = run(async {
        let url = format!("http://{}", fixture.tcp());
        let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
        let mut client = InspectorClient::new(channel);
        let request = v1::ListSitesRequest {
            poller: "sites_hidden".into(),
        };
        client.list_sites(request).await.unwrap().into_inner()
    });
    let peers = hidden.sites.iter().flat_map(|site| &site.groups);
    assert!(peers.clone().all(|group| group.peer.starts_with('#')));
    assert_eq!(peers.count(), 2);
    assert!(!format!("{hidden:?}").contains("127.0.0.1"));
    drop(ours);
}

#[test]
fn pollers_are_added_up_line_by_line_and_one_can_be_asked_for() {
    let [one, other] = ["sites_one", "sites_other"].map(poller);
    let _kept = [kept(&one), kept(&other), kept(&other)];
    let fixture = Fixture::new();
    let live = |answer: v1::ListSitesResponse| -> u64 {
        let sites = answer.sites.iter();
        let of_open = sites.filter(|site| site.location.contains("fixture.rs"));
        of_open.map(|site| site.opened - site.closed).sum()
    };
    assert_eq!(live(ask(&fixture, "sites_one")), 1);
    assert_eq!(live(ask(&fixture, "sites_other")), 2);
    assert!(live(ask(&fixture, "")) >= 3, "and those of other tests");

    let request = v1::ListSitesRequest {
        poller: "nowhere".into(),
    };
    let status = run(async {
        fixture
            .client()
            .await
            .list_sites(request)
            .await
            .unwrap_err()
    });
    assert_eq!(status.code(), Code::NotFound);
}
