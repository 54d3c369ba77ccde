//! A Go process.

use std::path::Path;

use super::{findings, opened};
use crate::truth::Service;

/// The number of a descriptor, and which goroutine waits to read it.
fn reader(service: &mut Service, id: i64) -> (i64, u64) {
    let truth = service.obey("truth");
    let descriptors = truth["descriptors"].as_array().expect("descriptors");
    let it = descriptors.iter().find(|it| it["id"] == id);
    let it = it.expect("it is open");
    let goroutine = it["read"]["waiter"]["goroutine"].as_u64();
    let fd = it["fd"].as_i64().expect("a number");
    (fd, goroutine.expect("somebody waits"))
}

#[test]
#[ignore = "needs several releases of Go"]
fn a_goroutine_that_nobody_wakes_is_found_and_those_that_wait_for_nothing_are_not() {
    let releases = netpoller_tests::go::releases();
    let look = |go: &Path| {
        let mut service = Service::of_go(go);
        let [lost, waits] = [(); 2].map(|()| opened(&service.obey("open tcp")));
        for id in [lost, waits] {
            service.obey(&format!("park {id} read plain"));
        }
        let listener = opened(&service.obey("open listener"));
        let place = accepts(&mut service);
        service.obey(&format!("park {listener} read {place}"));
        assert_eq!(findings(&service), [], "{}", go.display());

        let (fd, goroutine) = reader(&mut service, lost);
        service.obey(&format!("lose {lost}"));
        let found = findings(&service);
        let [(lint, at, finding)] = &found[..] else {
            panic!("{}: {found:#?}", go.display())
        };
        assert_eq!((&**lint, *at), ("lost-edge", fd), "{finding}");
        let summary = finding["summary"].as_str().expect("a sentence");
        assert!(
            summary.starts_with(&format!("G{goroutine} waits to read")),
            "{summary}"
        );
        let line = finding["location"].as_str().expect("a line");
        assert!(line.contains("places.go:"), "{finding}");
    };
    // The oldest and the newest.
    for go in [releases.first(), releases.last()].into_iter().flatten() {
        look(go);
    }
}

/// A place at which somebody accepts.
fn accepts(service: &mut Service) -> String {
    let places = service.obey("places");
    places["accept"][0].as_str().expect("a place").to_owned()
}
