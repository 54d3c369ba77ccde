//! What the kernel knows of sockets, beside the rows.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use netpoller_core::{Desc, Kind, Poller};
use netpoller_proto::v1::{
    self, Comparison, Filter, FilterValue, Operator, filter::Node, filter_value::Value,
};

use super::group;
use crate::fixture::{Fixture, poller, run};

/// Two ends of a connection, both watched, the first with so many bytes to read.
fn unread(poller: &Poller, bytes: usize) -> ([Desc; 2], [TcpStream; 2]) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut theirs, _) = listener.accept().unwrap();
    theirs.write_all(&vec![7; bytes]).unwrap();
    let streams = [ours, theirs];
    let descs = streams
        .each_ref()
        .map(|stream| poller.open(stream.as_fd(), Kind::Tcp).unwrap());
    (descs, streams)
}

fn recvq_over(bytes: i64) -> Filter {
    Filter {
        node: Some(Node::Comparison(Comparison {
            field: "recvq".into(),
            op: Operator::Gt.into(),
            values: vec![FilterValue {
                value: Some(Value::Number(bytes)),
            }],
        })),
    }
}

#[test]
fn rows_have_it_where_it_is_asked_for_filtered_or_sorted_by_and_nowhere_else() {
    let poller = poller("sockets_listed");
    let ([reader, _writer], _streams) = unread(&poller, 300);
    let (_other, _others) = unread(&poller, 0);
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        let plain = v1::ListDescriptorsRequest {
            poller: "sockets_listed".into(),
            ..Default::default()
        };
        let mut list = async |request| client.list_descriptors(request).await.unwrap().into_inner();
        let page = list(plain.clone()).await;
        assert!(page.descriptors.iter().all(|row| row.socket.is_none()));
        assert_eq!((page.sockets_at_ns, &*page.sockets_error), (0, ""));

        let asked = v1::ListDescriptorsRequest {
            sockets: true,
            ..plain.clone()
        };
        let filtered = v1::ListDescriptorsRequest {
            filter: Some(recvq_over(299)),
            ..plain.clone()
        };
        let sorted = v1::ListDescriptorsRequest {
            sort_by: "recvq".into(),
            descending: true,
            ..plain
        };
        for (request, rows) in [(asked, 4), (filtered, 1), (sorted, 4)] {
            // What the kernel said last may be used again for a while.
            let page = loop {
                let page = list(request.clone()).await;
                let told = |row: &v1::Descriptor| row.socket.is_some();
                if page.descriptors.len() == rows && page.descriptors.iter().all(told) {
                    break page;
                }
            };
            assert!(page.sockets_at_ns > 0 && page.sockets_error.is_empty());
            let of_reader = page.descriptors.iter().find(|row| row.id() == reader.id());
            let socket = of_reader.unwrap().socket.as_ref().unwrap();
            assert_eq!(
                (socket.recvq, &*socket.tcp_state),
                (Some(300), "ESTABLISHED")
            );
            if request.descending {
                assert_eq!(page.descriptors[0].id(), reader.id());
            }
        }
        let describe = v1::GetDescriptorRequest {
            poller: "sockets_listed".into(),
            id: reader.id().to_string(),
        };
        let described = client.get_descriptor(describe).await.unwrap().into_inner();
        assert_eq!(
            described.descriptor.unwrap().socket.unwrap().recvq,
            Some(300)
        );
    });
}

#[test]
fn a_watcher_hears_of_a_socket_when_something_happened_to_it_and_not_as_time_goes_by() {
    let poller = poller("sockets_watched");
    let ([reader, writer], [_ours, mut theirs]) = unread(&poller, 5);
    let fixture = Fixture::new();
    run(async {
        let request = v1::WatchRequest {
            poller: "sockets_watched".into(),
            interval_ns: 1,
            sockets: true,
            ..Default::default()
        };
        let mut client = fixture.client().await;
        let mut stream = client.watch(request).await.unwrap().into_inner();
        let mut recvq = None;
        let of_reader = |frame: v1::WatchFrame| {
            let row = frame
                .upserts
                .into_iter()
                .find(|row| row.id() == reader.id());
            row.and_then(|row| row.socket)
        };
        while recvq != Some(5) {
            let frame = group(&mut stream).await;
            assert_eq!(frame.sockets_error, "");
            recvq = of_reader(frame).map_or(recvq, |socket| socket.recvq);
        }
        // The acknowledgement may still be on its way; after that nothing happens any more.
        let mut quiet = 0;
        while quiet < 3 {
            let frame = group(&mut stream).await;
            quiet = if frame.upserts.is_empty() {
                quiet + 1
            } else {
                0
            };
        }
        theirs.write_all(b"more").unwrap();
        let socket = loop {
            if let Some(socket) = of_reader(group(&mut stream).await) {
                break socket;
            }
        };
        assert_eq!(socket.recvq, Some(9));
    });
    drop((reader, writer));
}
