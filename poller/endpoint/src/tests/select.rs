//! Some of the rows, in some order.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::time::Duration;

use netpoller_core::{Desc, Direction, Kind, Poller};
use netpoller_proto::v1::filter::Node;
use netpoller_proto::v1::filter_value::Value;
use netpoller_proto::v1::inspector_client::InspectorClient;
use netpoller_proto::v1::{self, Comparison, Filter, FilterList, FilterValue, Operator};
use tonic::Code;
use tonic::transport::Channel;

use super::group;
use crate::fixture::{Fixture, kept, open, park, poller, run};
use crate::{Listen, Server};

fn comparison(field: &str, op: Operator, value: Value) -> Filter {
    let values = vec![FilterValue { value: Some(value) }];
    Filter {
        node: Some(Node::Comparison(Comparison {
            field: field.into(),
            op: op.into(),
            values,
        })),
    }
}

fn labelled(label: &str) -> Filter {
    comparison("label", Operator::Eq, Value::Text(label.into()))
}

fn parked() -> Filter {
    comparison("state", Operator::Eq, Value::Text("parked".into()))
}

fn all(filters: Vec<Filter>) -> Filter {
    Filter {
        node: Some(Node::All(FilterList { filters })),
    }
}

/// Descriptors with these labels.
fn labels(poller: &Poller, labels: &[&str]) -> Vec<(Desc, UnixStream, UnixStream)> {
    let opened = labels.iter().map(|label| {
        let opened = kept(poller);
        opened.0.set_label(label);
        opened
    });
    opened.collect()
}

/// Every page of the answer.
async fn pages(
    client: &mut InspectorClient<Channel>,
    mut request: v1::ListDescriptorsRequest,
) -> Vec<Vec<v1::Descriptor>> {
    let mut pages = Vec::new();
    loop {
        let page = client
            .list_descriptors(request.clone())
            .await
            .unwrap()
            .into_inner();
        pages.push(page.descriptors);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return pages;
        }
    }
}

#[test]
fn only_the_rows_for_which_the_filter_holds_come() {
    let poller = poller("filtered");
    let descs = labels(&poller, &["a", "b", "a", "b"]);
    let mut wait = pin!(descs[2].0.wait(Direction::Read));
    park(wait.as_mut());
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        for (filter, expected) in [
            (labelled("a"), &[0, 2][..]),
            (all(vec![parked(), labelled("a")]), &[2]),
            (all(vec![parked(), labelled("b")]), &[]),
            (all(Vec::new()), &[0, 1, 2, 3]),
        ] {
            let request = v1::ListDescriptorsRequest {
                poller: "filtered".into(),
                filter: Some(filter),
                ..Default::default()
            };
            let rows = pages(&mut client, request).await.concat();
            let expected: Vec<_> = expected
                .iter()
                .map(|index: &usize| descs[*index].0.id())
                .collect();
            assert_eq!(
                rows.iter().map(v1::Descriptor::id).collect::<Vec<_>>(),
                expected
            );
        }
    });
}

#[test]
fn pages_in_another_order_join_to_the_whole_table_in_that_order() {
    let poller = poller("sorted");
    // Not in their order, some equal, and one without.
    let descs = labels(&poller, &["m", "z", "", "a", "m", "k", "m"]);
    let fixture = Fixture::new();
    let sorted = |descending| {
        run(async {
            let request = v1::ListDescriptorsRequest {
                poller: "sorted".into(),
                sort_by: "label".into(),
                descending,
                page_size: 2,
                ..Default::default()
            };
            let pages = pages(&mut fixture.client().await, request).await;
            assert!(pages.iter().rev().skip(1).all(|page| page.len() == 2));
            pages.concat()
        })
    };
    let names =
        |rows: &[v1::Descriptor]| rows.iter().map(|row| row.label.clone()).collect::<Vec<_>>();
    let ascending = sorted(false);
    assert_eq!(names(&ascending), ["a", "k", "m", "m", "m", "z", ""]);
    assert_eq!(names(&sorted(true)), ["z", "m", "m", "m", "k", "a", ""]);
    let equal: Vec<_> = ascending[2..5].iter().map(v1::Descriptor::id).collect();
    assert_eq!(
        equal,
        [descs[0].0.id(), descs[4].0.id(), descs[6].0.id()],
        "in the order of the table"
    );
}

#[test]
fn rows_that_come_and_go_between_sorted_pages_do_not_move_the_others() {
    let poller = poller("moving");
    let mut descs = labels(&poller, &["b", "d", "f", "h"]);
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        let mut request = v1::ListDescriptorsRequest {
            poller: "moving".into(),
            sort_by: "label".into(),
            page_size: 2,
            ..Default::default()
        };
        let page = client
            .list_descriptors(request.clone())
            .await
            .unwrap()
            .into_inner();
        // The row that the token names goes, one comes before the place and one after it.
        drop(descs.remove(1));
        let _more = labels(&poller, &["a", "g"]);
        request.page_token = page.next_page_token;
        let rest = pages(&mut client, request).await.concat();
        let names: Vec<_> = rest.iter().map(|row| row.label.as_str()).collect();
        assert_eq!(names, ["f", "g", "h"]);
    });
}

#[test]
fn a_page_has_the_size_that_was_asked_for_in_any_order() {
    let poller = poller("heavy");
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let fds: Vec<_> = (0..600).map(|_| ours.try_clone().unwrap()).collect();
    let descs: Vec<_> = fds
        .iter()
        .map(|fd| poller.open(fd.as_fd(), Kind::Unix).unwrap())
        .collect();
    for desc in &descs {
        desc.set_label(&"x".repeat(128));
    }
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        for sort_by in ["", "fd"] {
            let request = v1::ListDescriptorsRequest {
                poller: "heavy".into(),
                sort_by: sort_by.into(),
                page_size: 250,
                ..Default::default()
            };
            let pages = pages(&mut client, request).await;
            assert_eq!(
                pages.iter().map(Vec::len).collect::<Vec<_>>(),
                [250, 250, 100]
            );
        }
    });
}

#[test]
fn what_cannot_be_selected_is_refused_with_its_name() {
    let _poller = poller("refusing");
    let fixture = Fixture::new();
    let mut deep = labelled("a");
    for _ in 0..70 {
        deep = Filter {
            node: Some(Node::Not(Box::new(deep))),
        };
    }
    let request = v1::ListDescriptorsRequest::default;
    let cases = [
        (
            v1::ListDescriptorsRequest {
                sort_by: "size".into(),
                ..request()
            },
            "\"size\"",
        ),
        (
            v1::ListDescriptorsRequest {
                filter: Some(comparison(
                    "colour",
                    Operator::Eq,
                    Value::Text("red".into()),
                )),
                ..request()
            },
            "\"colour\"",
        ),
        (
            v1::ListDescriptorsRequest {
                filter: Some(deep.clone()),
                ..request()
            },
            "too deeply",
        ),
        (
            v1::ListDescriptorsRequest {
                filter: Some(all(vec![parked(); 300])),
                ..request()
            },
            "too large",
        ),
        (
            v1::ListDescriptorsRequest {
                sort_by: "fd".into(),
                page_token: "label:asc/1.2.3/tx".into(),
                ..request()
            },
            "page_token",
        ),
    ];
    run(async {
        let mut client = fixture.client().await;
        for (request, word) in cases {
            let status = client.list_descriptors(request).await.unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{status}");
            assert!(status.message().contains(word), "{status}");
        }
        let request = v1::WatchRequest {
            filter: Some(deep),
            ..Default::default()
        };
        let status = client.watch(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    });
}

#[test]
fn a_hidden_address_cannot_be_found_out_by_filtering_for_it() {
    let poller = poller("guessed");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let _desc = poller.open(listener.as_fd(), Kind::TcpListener).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = Server::builder()
        .listen("tcp:127.0.0.1:0".parse::<Listen>().unwrap())
        .start()
        .unwrap();
    let uri = server.target().replace("tcp:", "http://");
    run(async {
        let channel = tonic::transport::Endpoint::from_shared(uri)
            .unwrap()
            .connect()
            .await
            .unwrap();
        let request = v1::ListDescriptorsRequest {
            poller: "guessed".into(),
            filter: Some(comparison("local", Operator::Eq, Value::Text(address))),
            ..Default::default()
        };
        let mut client = InspectorClient::new(channel);
        let page = client.list_descriptors(request).await.unwrap().into_inner();
        assert!(page.descriptors.is_empty(), "{page:?}");
    });
}

#[test]
fn a_watcher_with_a_filter_is_told_of_rows_that_begin_and_cease_to_match() {
    let poller = poller("narrow");
    let (_a, _b, _other) = open(&poller);
    let (_ours, _theirs, desc) = open(&poller);
    let key = format!("narrow/{}", desc.id());
    let fixture = Fixture::new();
    run(async {
        let request = v1::WatchRequest {
            poller: "narrow".into(),
            interval_ns: 1,
            filter: Some(parked()),
            ..Default::default()
        };
        let mut stream = fixture
            .client()
            .await
            .watch(request)
            .await
            .unwrap()
            .into_inner();
        assert!(
            group(&mut stream).await.upserts.is_empty(),
            "nobody is parked yet"
        );
        {
            let mut wait = pin!(desc.wait(Direction::Read));
            park(wait.as_mut());
            let mut upserts = Vec::new();
            while upserts.is_empty() {
                upserts = group(&mut stream).await.upserts;
            }
            assert_eq!(
                upserts.iter().map(v1::Descriptor::key).collect::<Vec<_>>(),
                std::slice::from_ref(&key)
            );
        }
        let mut removes = Vec::new();
        while removes.is_empty() {
            removes = group(&mut stream).await.removes;
        }
        assert_eq!(removes, [key]);
    });
}

#[test]
fn a_row_is_told_when_time_alone_makes_it_match() {
    let poller = poller("ageing");
    let (_ours, _theirs, desc) = open(&poller);
    let young = Duration::from_millis(400).as_nanos() as i64;
    let fixture = Fixture::new();
    run(async {
        let request = v1::WatchRequest {
            poller: "ageing".into(),
            interval_ns: 1,
            filter: Some(comparison("opened", Operator::Ge, Value::DurationNs(young))),
            ..Default::default()
        };
        let mut stream = fixture
            .client()
            .await
            .watch(request)
            .await
            .unwrap()
            .into_inner();
        let mut told = group(&mut stream).await;
        while told.upserts.is_empty() {
            told = group(&mut stream).await;
        }
        let row = &told.upserts[0];
        assert_eq!(row.id(), desc.id());
        assert!(
            told.captured_at_ns - row.opened_at_ns >= young as u64,
            "not before its time"
        );
        let next = group(&mut stream).await;
        assert!(next.upserts.is_empty(), "told once: {next:?}");
    });
}
