//! A web page in a real browser, against an endpoint and metrics on the loopback address of the
//! same machine.
//!
//! Of an answer that the page may not read, only the browser knows; its own log of the network is
//! the witness.

mod chromium;
mod page;

use std::path::Path;

use netpoller::inspect::{Server, Tls};

/// Certified by itself; the browser is told not to mind.
fn tls(directory: &Path) -> Tls {
    use std::os::unix::fs::PermissionsExt;

    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate");
    let (certificate, key) = (directory.join("tls.crt"), directory.join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).expect("write a file");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("write a file");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).expect("set a mode");
    Tls::from_pem(certificate, key).expect("a certificate and its key")
}

fn port(target: &str) -> &str {
    target.rsplit(':').next().expect("a port")
}

#[test]
#[ignore = "needs chromium"]
fn a_page_from_elsewhere_gets_no_answer_from_the_endpoint_nor_from_metrics() {
    let browser = chromium::Chromium::find();
    let loopback = || "tcp:127.0.0.1:0".parse().expect("an address");
    let _poller = netpoller::Poller::builder().name("secret").build();
    let plain = Server::builder().listen(loopback()).start();
    let plain = plain.expect("an endpoint");
    let secure = Server::builder()
        .listen(loopback())
        .tls(tls(browser.directory()))
        .start();
    // Browsers speak HTTP/2 over TLS: these requests do come to the services' gate.
    let secure = secure.expect("an endpoint with TLS");
    let metrics =
        netpoller::prometheus::Server::builder("127.0.0.1:0".parse().expect("an address"));
    let metrics = metrics.start().expect("metrics");
    let page = page::Page::serve(&[
        format!("http://127.0.0.1:{}", port(plain.target())),
        format!("https://localhost:{}", port(secure.target())),
        format!("http://127.0.0.1:{}", metrics.local_addr().port()),
    ]);

    let visit = browser.visit(&page.url());
    let attempts = 3 * page::ATTEMPTS;
    assert!(
        visit.dom.contains(&format!("tried {attempts}, read 0:")),
        "{}",
        visit.dom
    );
    // It is seen in the log that the gate has answered, and what.
    let statuses = visit.statuses();
    assert!(statuses.contains(&403), "{statuses:?}");
    let page_itself = page::STATUS;
    let answered: Vec<_> = statuses
        .iter()
        .filter(|status| (200..400).contains(*status) && **status != page_itself)
        .collect();
    assert!(answered.is_empty(), "{statuses:?}");
}

#[test]
#[ignore = "needs chromium"]
fn a_name_that_was_made_to_resolve_to_loopback_reads_no_metrics() {
    let browser = chromium::Chromium::find();
    let _poller = netpoller::Poller::builder().name("secret").build();
    let metrics =
        netpoller::prometheus::Server::builder("127.0.0.1:0".parse().expect("an address"));
    let metrics = metrics.start().expect("metrics");
    let at = |host: &str| format!("http://{host}:{}/metrics", metrics.local_addr().port());
    let rebound = browser.visit(&at("rebound.example"));
    assert!(
        rebound.dom.contains("not known by that Host") && !rebound.dom.contains("netpoller_polls"),
        "{}",
        rebound.dom
    );
    // The same browser can, where it was sent by its user.
    let own = browser.visit(&at("127.0.0.1"));
    assert!(own.dom.contains("netpoller_polls_total"), "{}", own.dom);
}
