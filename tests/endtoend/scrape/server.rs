//! A real Prometheus scrapes the server, by an address of this machine that is not the one it was
//! told to listen on, and has the exemplars.

use std::time::Duration;

use netpoller::prometheus::Server;
use netpoller::{Poller, block_on_poller, time};
use netpoller_tests::{eventually, new_poller};
use serde_json::Value;

use super::prometheus::Prometheus;

/// A Prometheus that scrapes a server of this process by 127.0.0.2.
struct Scraped {
    prometheus: Prometheus,
    _server: Server,
    _poller: Poller,
}

impl Scraped {
    /// With these features, once it has scraped. A sleep was slept by then.
    fn start(features: &str) -> Self {
        let any = "0.0.0.0:0".parse().unwrap();
        let server = Server::builder(any).allow_remote(true).start().unwrap();
        let target = format!("127.0.0.2:{}", server.local_addr().port());
        let poller = new_poller();
        block_on_poller(&poller, time::sleep(Duration::from_millis(30)));
        Self {
            prometheus: Prometheus::scraping(features, &[("own", target)]),
            _server: server,
            _poller: poller,
        }
    }

    fn ask(&self, path: &str) -> Option<Value> {
        self.prometheus.ask(path)
    }
}

#[test]
#[ignore = "needs prometheus"]
fn a_real_prometheus_scrapes_by_any_address_of_the_machine_and_has_exemplars() {
    let scraped = Scraped::start("exemplar-storage");
    let name = "netpoller_timer_block_duration_seconds";
    let exemplar = eventually("an exemplar", || {
        let path = format!("query_exemplars?query={name}_bucket&start=0&end=9999999999");
        let answer = scraped.ask(&path)?;
        answer["data"][0]["exemplars"].get(0).cloned()
    });
    let location = exemplar["labels"]["location"].as_str().unwrap();
    assert!(location.contains("server.rs:"), "{exemplar}");
    assert!(exemplar["labels"]["descriptor"].is_string(), "{exemplar}");
    let value: f64 = exemplar["value"].as_str().unwrap().parse().unwrap();
    assert!(value >= 0.003, "{exemplar}");
}

#[test]
#[ignore = "needs prometheus"]
fn a_prometheus_that_takes_native_histograms_has_them() {
    let scraped = Scraped::start("native-histograms");
    let name = "netpoller_timer_block_duration_seconds";
    let quantile = eventually("a quantile", || {
        let path = format!("query?query=histogram_quantile(0.5,{name})");
        let answer = scraped.ask(&path)?;
        let results = answer["data"]["result"].as_array()?.iter();
        let values = results.filter_map(|it| it["value"][1].as_str()?.parse::<f64>().ok());
        values.into_iter().find(|value| value.is_finite())
    });
    // Of the 30 ms some may have gone by before it was parked.
    assert!(quantile >= 0.003, "{quantile}");
}
