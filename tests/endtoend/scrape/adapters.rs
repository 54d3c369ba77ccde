//! Each way to Prometheus gives what the dashboards ask for: the route of a server of one's own and
//! the collector of `prometheus-client`; and promtool has nothing to say of either.

use netpoller::prometheus::{Collector, encode, respond};
use netpoller_tests::new_poller;
use prometheus_client::registry::Registry;

use super::tools::{BOARDS, has_all_of, promtool};

/// What a registry of `prometheus-client` gives, as the text of Prometheus.
fn collected() -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Collector));
    let mut text = String::new();
    prometheus_client::encoding::prometheus_text::encode(&mut text, &registry).unwrap();
    text
}

/// What a route answers that has no more than the one line.
fn routed() -> String {
    use hyper::body::Body;
    let request = hyper::Request::get("/metrics").body(()).unwrap();
    let response = respond(&request);
    assert_eq!(response.status(), 200);
    assert!(response.body().size_hint().exact().unwrap() > 10_000);
    // The body is in one piece, so one look has it.
    let mut body = std::pin::pin!(response.into_body());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Some(Ok(frame))) = body.as_mut().poll_frame(&mut context) else {
        panic!("there is no body");
    };
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

#[test]
#[ignore = "needs prometheus and python3"]
fn each_adapter_is_clean_and_has_every_name_and_label_of_every_dashboard() {
    let _poller = new_poller();
    let expositions = [
        ("encode", encode()),
        ("respond", routed()),
        ("collector", collected()),
    ];
    for (name, text) in expositions {
        assert_eq!(promtool(&text), [""; 0], "{name}");
        BOARDS.iter().for_each(|board| has_all_of(board, &text));
    }
}
