//! The process and pages of its table.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use netpoller_core::view::Row;
use netpoller_core::{Desc, Direction, Kind, task, time};
use netpoller_proto::v1;
use tonic::Code;

use crate::fixture::{Fixture, open, park, poller, run};

#[test]
fn the_server_says_who_it_is() {
    let _poller = poller("who");
    let fixture = Fixture::new();
    let server = run(async {
        fixture
            .client()
            .await
            .get_server(v1::GetServerRequest {})
            .await
            .unwrap()
            .into_inner()
    });
    assert_eq!(
        (server.protocol, server.pid),
        (netpoller_proto::PROTOCOL, std::process::id())
    );
    assert_eq!(
        server.executable,
        std::env::current_exe().unwrap().display().to_string()
    );
    assert!(server.start_ticks > 0 && server.captured_at_ns > server.started_at_ns);
    assert!(!server.boot_id.is_empty() && !server.kernel.is_empty());
    let poller = server
        .pollers
        .iter()
        .find(|poller| poller.name == "who")
        .unwrap();
    assert_eq!(
        (poller.descriptors, &*poller.driver, poller.blocked),
        (0, "manual", false)
    );
    assert!(poller.epoll_fd > 0);
}

#[test]
fn a_moment_of_the_process_is_one_of_the_wall_clock_however_often_it_is_asked() {
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        let mut ahead = Vec::new();
        for _ in 0..50 {
            let server = client.get_server(v1::GetServerRequest {}).await;
            let server = server.unwrap().into_inner();
            ahead.push(server.wall_clock_ns - server.captured_at_ns);
        }
        assert!(ahead.iter().all(|it| *it == ahead[0]), "{ahead:?}");
    });
}

const INSIDE: &str = "NETPOLLER_TEST_EXECUTABLE";

/// Runs the test `name` of this file again, as `program`, and tells it `path`.
fn run_again(name: &str, program: &Path, path: &Path) {
    let output = std::process::Command::new(program)
        .args(["--exact", "--nocapture", "--include-ignored"])
        .arg(format!("tests::table::{name}"))
        .env(INSIDE, path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{error}");
    assert!(text.contains("1 passed"), "{text}");
}

/// What the endpoint of this process says that it is, by its Unix socket.
fn executable() -> String {
    let fixture = Fixture::new();
    let asked = async {
        let mut client = fixture.client().await;
        client.get_server(v1::GetServerRequest {}).await.unwrap()
    };
    run(asked).into_inner().executable
}

#[test]
fn a_program_that_was_deleted_before_it_started_its_endpoint_has_its_name_and_says_so() {
    let name = "a_program_that_was_deleted_before_it_started_its_endpoint_has_its_name_and_says_so";
    if let Some(program) = std::env::var_os(INSIDE) {
        std::fs::remove_file(&program).unwrap();
        let program = program.into_string().unwrap();
        assert_eq!(executable(), format!("{program} (deleted)"));
        return;
    }
    // A link costs nothing, and has to be where the program is.
    let own = std::env::current_exe().unwrap();
    let directory = tempfile::tempdir_in(own.parent().unwrap()).unwrap();
    let program = directory.path().join("service");
    std::fs::hard_link(own, &program).unwrap();
    run_again(name, &program, &program);
}

#[test]
#[ignore = "needs root"]
fn a_program_that_has_changed_its_root_before_it_started_its_endpoint_has_a_name() {
    let name = "a_program_that_has_changed_its_root_before_it_started_its_endpoint_has_a_name";
    if let Some(root) = std::env::var_os(INSIDE) {
        std::os::unix::fs::chroot(root).unwrap();
        std::env::set_current_dir("/").unwrap();
        std::fs::create_dir_all(std::env::temp_dir()).unwrap();
        // There is no /proc to ask.
        assert_eq!(executable(), format!("process-{}", std::process::id()));
        return;
    }
    let root = tempfile::tempdir().unwrap();
    run_again(name, &std::env::current_exe().unwrap(), root.path());
}

#[test]
fn a_table_of_more_rows_than_a_page_comes_whole_and_once() {
    let poller = poller("paged");
    let (ours, _theirs) = UnixStream::pair().unwrap();
    // Many rows need few descriptors: duplicates are registered one by one.
    let fds: Vec<_> = (0..900).map(|_| ours.try_clone().unwrap()).collect();
    let descs: Vec<_> = fds
        .iter()
        .map(|fd| poller.open(fd.as_fd(), Kind::Unix).unwrap())
        .collect();
    let _current = poller.enter();
    let sleep = || Box::pin(time::sleep(Duration::from_secs(3600)));
    let mut sleeps: Vec<_> = (0..900).map(|_| sleep()).collect();
    sleeps.iter_mut().for_each(|sleep| park(sleep.as_mut()));
    let rows: Vec<_> = poller.rows().iter().map(Row::id).collect();
    assert!(
        rows.len() == 1800 && rows.starts_with(&descs.iter().map(Desc::id).collect::<Vec<_>>())
    );
    let fixture = Fixture::new();
    let mut seen = Vec::new();
    run(async {
        let mut client = fixture.client().await;
        let mut page_token = String::new();
        loop {
            let request = v1::ListDescriptorsRequest {
                poller: "paged".into(),
                page_token,
                ..Default::default()
            };
            let page = client.list_descriptors(request).await.unwrap().into_inner();
            assert!(page.descriptors.len() <= 1000);
            seen.extend(page.descriptors.iter().map(v1::Descriptor::id));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return;
            }
        }
    });
    assert_eq!(seen, rows);
}

#[test]
fn a_waiting_row_tells_task_thread_and_line_and_others_can_be_left_out() {
    let poller = poller("waiting");
    let (_a, _b, _idle) = open(&poller);
    let (_ours, _theirs, desc) = open(&poller);
    desc.set_label("upstream");
    let wait = desc.wait(Direction::Read);
    let line = line!() - 1;
    let mut wait = pin!(task::named("session 7", wait));
    park(wait.as_mut());

    let fixture = Fixture::new();
    let request = v1::ListDescriptorsRequest {
        poller: "waiting".into(),
        waiting_only: true,
        ..Default::default()
    };
    let page = run(async {
        fixture
            .client()
            .await
            .list_descriptors(request)
            .await
            .unwrap()
            .into_inner()
    });
    let [row] = &page.descriptors[..] else {
        panic!("{page:?}")
    };
    assert_eq!(
        (row.id(), &*row.label, row.kind()),
        (desc.id(), "upstream", v1::DescriptorKind::Unix)
    );
    let read = row.read.as_ref().unwrap();
    assert_eq!(read.state(), v1::State::Parked);
    assert!((1..=page.captured_at_ns).contains(&read.since_ns));
    let waiter = read.waiter.as_ref().unwrap();
    assert_eq!(waiter.task, "session 7");
    assert_eq!(Some(&*waiter.thread), std::thread::current().name());
    assert_eq!(waiter.location, format!("{}:{line}", file!()));
    assert_eq!(read.transitions.as_ref().unwrap().park, 1);
}

#[test]
fn what_is_not_there_is_an_error_that_says_so() {
    let _poller = poller("existing");
    let fixture = Fixture::new();
    run(async {
        let mut client = fixture.client().await;
        let request = v1::GetStatsRequest {
            poller: "missing".into(),
            ..Default::default()
        };
        let status = client.get_stats(request).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound);
        assert!(status.message().contains("existing"), "{status}");
        let request = v1::ListDescriptorsRequest {
            page_token: "garbage".into(),
            ..Default::default()
        };
        assert_eq!(
            client.list_descriptors(request).await.unwrap_err().code(),
            Code::InvalidArgument
        );
    });
}
