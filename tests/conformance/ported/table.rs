//! The tables that say which test stands for what: `tests/PORTED.md`, and where the library differs
//! from Go.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// What has to be in `tests/PORTED.md`, by its sections: every test of others that was chosen to be
/// ported. A row that somebody takes out is missed.
const ORIGINALS: &[(&str, &str)] = &[
    (
        "Go net/timeout_test.go",
        "TestDialTimeout TestDialTimeoutMaxDuration TestAcceptTimeout TestAcceptTimeoutMustReturn \
         TestAcceptTimeoutMustNotReturn TestReadTimeout TestReadTimeoutMustNotReturn TestReadFromTimeout TestWriteTimeout \
         TestWriteTimeoutMustNotReturn TestWriteToTimeout TestReadTimeoutFluctuation TestReadFromTimeoutFluctuation \
         TestWriteTimeoutFluctuation TestVariousDeadlines TestVariousDeadlines1Proc TestVariousDeadlines4Proc \
         TestReadWriteProlongedTimeout TestReadWriteDeadlineRace TestConcurrentSetDeadline",
    ),
    (
        "Go net/net_test.go",
        "TestCloseRead TestCloseWrite TestConnClose TestListenerClose TestPacketConnClose TestAcceptIgnoreAbortedConnRequest \
         TestZeroByteRead TestReadTimeoutUnblocksRead TestCloseUnblocksRead TestCloseUnblocksReadUDP TestNotTemporaryRead \
         TestErrors",
    ),
    (
        "Go net, elsewhere",
        "TestUDPZeroBytePayload TestUDPZeroByteBuffer TestUDPReadTimeout TestUnixConnReadEOF TestUnixgramZeroBytePayload \
         TestClosingListener TestTCPListenAfterClose TestFileCloseRace TestTCPConcurrentAccept TestTCPStress \
         TestTCPSpuriousConnSetupCompletion TestDialerPartialDeadline TestDialCancel TestRawConnReadWrite \
         TestRawConnReadWrite/Deadline TestSendfileOnWriteTimeoutExceeded TestWritevError",
    ),
    (
        "Go internal/poll",
        "TestMutexLock TestMutexClose TestMutexCloseUnblock TestMutexPanic TestMutexOverflowPanic TestMutexStress TestEOFError \
         TestReadError TestConsume TestRead TestSplicePipePool",
    ),
    (
        "Go runtime",
        "TestNetpollBreak BenchmarkNetpollBreak TestNetpollWaiters TestNetpollDeadlock TestNonblockingPipe \
         TestSpuriousWakeupsNeverHangSemasleep",
    ),
    (
        "Go os/pipe_test.go",
        "TestEPIPE TestStdPipe TestClosedPipeRaceRead TestClosedPipeRaceWrite TestReadNonblockingFd \
         TestCloseWithBlockingReadByNewFile TestCloseWithBlockingReadByFd TestPipeEOF TestFdRace TestFdReadRace",
    ),
    (
        "Go os/fifo_test.go",
        "TestFifoEOF TestNonPollable TestOpenFileNonBlocking TestNewFileNonBlocking TestFIFONonBlockingEOF",
    ),
    (
        "Go os/timeout_test.go and os_unix_test.go",
        "TestNonpollableDeadline TestReadTimeout TestReadTimeoutMustNotReturn TestWriteTimeout TestWriteTimeoutMustNotReturn \
         TestReadTimeoutFluctuation TestWriteTimeoutFluctuation TestVariousDeadlines TestVariousDeadlines1Proc \
         TestVariousDeadlines4Proc TestReadWriteDeadlineRace TestRacyRead TestRacyWrite TestNewFileBlock TestNewFileNonBlock",
    ),
    (
        "tokio tests/io_async_fd.rs",
        "reset_readable reset_writable drop_closes reregister multiple_waiters driver_shutdown_wakes_currently_pending \
         driver_shutdown_wakes_future_pending driver_shutdown_wakes_pending_race driver_shutdown_wakes_poll_race \
         priority_event_on_oob_data clear_ready_matching_clears_ready await_error_readiness_timestamping \
         await_error_readiness_invalid_address io_async_fd_memory_leak.rs",
    ),
    (
        "tokio, other tests of the driver",
        "test_drop_on_notify tcp_doesnt_block drop_wakes no_extra_poll accept_many poll_hup shutdown_after_tcp_reset epollhup \
         fifo_resilient_reader from_file_sets_nonblock",
    ),
    (
        "mio",
        "readiness_is_reregistered_after_would_block drop_cancels_interest_and_shuts_down registry_operations_are_thread_safe \
         register_during_poll double_register_different_token poll_ok_after_cancelling_pending_ops close_on_drop issue_776 \
         issue_1205 issue_1403 connection_reset_by_peer connect_error write_then_deregister tcp_no_events_after_deregister \
         multiple_writes_immediate_success et_behavior_recv et_behavior_recv_from empty_datagram waker \
         waker_multiple_wakeups_same_thread waker_wakeup_different_thread waker_multiple_wakeups_different_thread \
         hup_event_on_disconnect",
    ),
    (
        "polling and async-io",
        "concurrent_add concurrent_modify concurrent_interruption simple concurrent below_ms above_ms twice non_blocking \
         many_connections edge_triggered insert_twice delete_unrecognized tcp_reader_hangup tcp_writer_hangup \
         duplicate_socket_insert",
    ),
    (
        "Known bugs",
        "golang/go#59545 golang/go#60782 golang/go#33624 golang/go#61454 golang/go#35532 golang/go#68273 golang/go#72900 \
         golang/go#67056 golang/go#22606 golang/go#15735 tokio#6133 tokio#8331 tokio#8054 tokio#8066 tokio#3190 tokio#4730 \
         tokio#6315 miri#4374",
    ),
    (
        "Pitfalls",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[track_caller]
fn read(path: &str) -> String {
    read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The tests in a source file: functions with `#[test]` above them, and those that `over_streams!`
/// makes one of.
fn tests_in(source: &str) -> BTreeSet<&str> {
    let (mut found, mut over_streams) = (BTreeSet::new(), false);
    let (mut is_test, mut is_ignored) = (false, false);
    for line in source.lines() {
        let code = line.trim();
        over_streams = match line {
            "over_streams! {" => true,
            "}" => false,
            _ => over_streams,
        };
        if code == "#[test]" || code.starts_with("#[tokio::test") {
            is_test = true;
        }
        // With a tool that it needs, it is run where that is.
        is_ignored |= code.starts_with("#[ignore") && !code.starts_with("#[ignore = \"needs ");
        if let Some(rest) = code
            .strip_prefix("fn ")
            .or_else(|| code.strip_prefix("async fn "))
        {
            let name = rest.split(['(', '<']).next().unwrap_or(rest);
            let made = over_streams && line.starts_with("    async fn ");
            // A test that is not run stands for nothing.
            if (is_test || made) && !is_ignored {
                found.insert(name);
            }
            (is_test, is_ignored) = (false, false);
        }
    }
    found
}

/// Where the paths of tests begin.
const BEGINNINGS: [&str; 5] = [
    "tests/conformance",
    "tests/chaos",
    "tests/endtoend",
    "tests/benches",
    "poller/core/src",
];

/// Whether `folder/file::name` is a test, below one of these.
fn exists(named: &str) -> bool {
    let Some((file, name)) = named.rsplit_once("::") else {
        return false;
    };
    BEGINNINGS.iter().any(|folder| {
        let path = root().join(folder).join(format!("{file}.rs"));
        read_to_string(path).is_ok_and(|source| tests_in(&source).contains(name))
    })
}

/// Tests that a text names, as `folder/file::name` in backticks.
fn named(text: &str) -> Vec<&str> {
    let is_test = |span: &&str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_/:".contains(c);
        span.contains("::") && !span.starts_with("crate") && span.chars().all(plain)
    };
    text.split('`').skip(1).step_by(2).filter(is_test).collect()
}

/// The cells of the rows of all tables, by the heading they stand under.
fn rows(text: &str) -> BTreeMap<&str, Vec<Vec<&str>>> {
    let (mut tables, mut heading) = (BTreeMap::new(), "");
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title;
        }
        let Some(row) = line.strip_prefix("| ") else {
            continue;
        };
        let cells: Vec<_> = row
            .trim_end_matches('|')
            .split(" | ")
            .map(str::trim)
            .collect();
        if cells[0] != "original" {
            tables.entry(heading).or_insert_with(Vec::new).push(cells);
        }
    }
    tables
}

/// Whether a row is about `original`: it ends with the name, after that of its file, or begins with
/// the number.
fn is_about(cell: &str, original: &str) -> bool {
    cell.rsplit(' ').next() == Some(original) || cell.split(' ').next() == Some(original)
}

#[test]
fn every_original_has_a_row_with_a_test_or_a_reason() {
    let text = read("tests/conformance/PORTED.md");
    let tables = rows(&text);
    for (heading, originals) in ORIGINALS {
        let rows = tables
            .get(heading)
            .unwrap_or_else(|| panic!("PORTED.md has no table {heading:?}"));
        for original in originals.split_whitespace() {
            let about = rows.iter().filter(|row| is_about(row[0], original)).count();
            assert!(about > 0, "{heading}: {original} has no row");
        }
        for row in rows {
            let reason = row[1].strip_prefix("not ported: ");
            let stands = reason.map_or(!named(row[1]).is_empty(), |reason| reason.len() > 10);
            assert!(
                stands,
                "{heading}: {} names neither a test nor a reason",
                row[0]
            );
        }
    }
    assert_eq!(
        tables.len(),
        ORIGINALS.len(),
        "a table that is not known here"
    );
}

#[test]
fn every_test_that_the_table_names_exists() {
    let text = read("tests/conformance/PORTED.md");
    let named = named(&text);
    assert!(named.len() > 200, "the table is read: {}", named.len());
    let missing: Vec<_> = named.into_iter().filter(|test| !exists(test)).collect();
    assert!(missing.is_empty(), "PORTED.md names {missing:#?}");
}

#[test]
fn every_ported_test_is_in_the_table_and_names_its_origin() {
    const ORIGINS: [&str; 8] = [
        "Go ",
        "golang/go#",
        "tokio ",
        "tokio#",
        "mio ",
        "polling ",
        "async-io ",
        "netty#",
    ];
    let table = read("tests/conformance/PORTED.md");
    let folder = root().join("tests/conformance/ported");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("this folder") {
        let path = entry.expect("an entry").path();
        let file = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name");
        if ["main", "support", "table"].contains(&file) {
            continue;
        }
        let source = read_to_string(&path).expect("a source");
        for name in tests_in(&source) {
            seen += 1;
            let full = format!("`ported/{file}::{name}`");
            assert!(table.contains(&full), "PORTED.md does not name {full}");
            let before = source
                .split(&format!("fn {name}("))
                .next()
                .expect("a beginning");
            let comment: Vec<_> = before
                .lines()
                .rev()
                .map(str::trim)
                .skip_while(|line| !line.starts_with("///"))
                .take_while(|line| line.starts_with("///"))
                .collect();
            let first = comment
                .last()
                .map_or("", |line| line.trim_start_matches("/// "));
            assert!(
                ORIGINS.iter().any(|origin| first.starts_with(origin)),
                "{full} does not say where it comes from: {first:?}"
            );
        }
    }
    assert!(seen > 100, "the sources are read: {seen}");
}

#[test]
fn every_difference_from_go_is_pinned_by_a_test_that_exists() {
    let text = read("poller/src/differences.md");
    let rows: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Go "))
        .collect();
    assert!(rows.len() >= 20, "the table is read: {}", rows.len());
    for row in rows {
        let tests = named(row);
        assert!(!tests.is_empty(), "no test pins it: {row}");
        for test in tests {
            assert!(exists(test), "{test} does not exist: {row}");
        }
    }
}

#[test]
fn the_check_itself_tells_tests_from_others() {
    let source = "#[test]\nfn a() {}\nfn b() {}\n#[test]\n#[ignore]\nfn c() {}\n#[test]\n#[ignore = \"needs strace\"]\nfn g() {}\n#[ignore]\n#[test]\nfn f() {}\nover_streams! {\n    async fn d(x) {\n    }\n}\nasync fn e() {}\n";
    assert_eq!(tests_in(source), BTreeSet::from(["a", "d", "g"]));
    assert!(exists(
        "ported/table::the_check_itself_tells_tests_from_others"
    ));
    assert!(!exists("ported/table::tests_in"));
    assert!(!exists("ported/no_such_file::waker"));
    assert_eq!(named("`a/b::c`, `crate::X` and `d`"), ["a/b::c"]);
    assert!(is_about("poll.rs waker", "waker") && !is_about("waker.rs waker_2", "waker"));
}
