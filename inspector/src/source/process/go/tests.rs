//! A program for arm64, which need not be the processor of this machine: an emulator runs it, and
//! writes a core file of its memory when it ends. What is read there is what the program has said
//! of itself just before.

mod core_file;
mod emulated;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::Value;

use self::core_file::Core;
use self::emulated::Service;
use super::*;
use crate::source::process::{kept, runtime};
use netpoller_proto::v1::State;

/// How programs are built, and whether they are moved to where they run. The linker would have the
/// program that is moved begin where nothing else is, and there it would run, so not moved at all.
const FORMS: [(&[&str], bool); 3] = [
    (&[], false),
    (&["-ldflags=-s -w"], false),
    (&["-buildmode=pie", "-ldflags=-s -w -T=0x1000"], true),
];
/// Each place to read is used on two of these, and each place to write.
const READ: [&str; 4] = ["tcp", "unix", "udp", "pipe"];
const WRITTEN: [&str; 3] = ["unix", "pipe", "tcp"];
/// What Go leaves out of a stack that it shows: how a goroutine waits for a descriptor, and how an
/// instruction fails.
const PARKING: [&str; 2] = ["runtime.gopark", "runtime.netpollblock"];
const FAILING: [&str; 2] = ["runtime.panicmem", "runtime.sigpanic"];
/// Deadlines are apart from each other by so much, and told to less: the program itself knows them
/// by another clock.
const APART_NS: u64 = 1_000_000_000;

/// What a program was brought to do.
#[derive(Debug, Default)]
struct Prepared {
    /// Directions of descriptors.
    sides: usize,
    /// Those in which somebody waits, and those with deadlines that pass in hours or have passed.
    parked: usize,
    pending: usize,
    passed: usize,
}

/// Opens descriptors, lets goroutines wait, and sets deadlines.
struct Preparation<'a> {
    service: &'a mut Service,
    done: Prepared,
}

impl Preparation<'_> {
    /// Opens one, and returns its number and that of its other end.
    fn open(&mut self, kind: &str) -> (u64, Option<u64>) {
        self.done.sides += match kind {
            "tcp" | "unix" => 4,
            "pipe" => 2,
            _ => 1,
        };
        let answer = self.service.obey(&format!("open {kind}"));
        let number = |at: usize| answer["opened"][at].as_u64();
        (number(0).expect("a number"), number(1))
    }

    /// Lets somebody wait: every other time until a deadline of its own.
    fn park(&mut self, id: u64, direction: &str, place: &str) {
        let command = format!("park {id} {direction} {place}");
        self.service.obey(&command);
        self.done.parked += 1;
        if self.done.parked.is_multiple_of(2) {
            self.done.pending += 1;
            let after_ns = 3_600_000_000_000 + 2 * APART_NS * self.done.parked as u64;
            let command = format!("deadline {id} {direction} {after_ns}");
            self.service.obey(&command);
        }
    }

    /// Sets a deadline that has passed where nobody waits.
    fn pass(&mut self, id: u64, direction: &str) {
        self.service.obey(&format!("deadline {id} {direction} -1"));
        self.done.passed += 1;
    }
}

/// Brings a program to where it is compared, and returns what there is to compare.
fn prepare(service: &mut Service) -> Prepared {
    let places = service.obey("places");
    let places = |of: &str| {
        let names = places[of].as_array().into_iter().flatten();
        let mut names: Vec<_> = names.filter_map(Value::as_str).map(str::to_owned).collect();
        names.sort();
        names
    };
    let (reads, writes) = (places("read"), places("write"));
    let mut it = Preparation {
        service,
        done: Prepared::default(),
    };
    // What it keeps of these connections is used again.
    it.service.obey("churn 2");
    for accept in places("accept") {
        let (id, _) = it.open("listener");
        it.park(id, "read", &accept);
    }
    it.service.obey("churn 0");
    for (number, read) in reads.iter().enumerate() {
        for kind in [number, number + 1].map(|number| READ[number % READ.len()]) {
            let (id, other) = it.open(kind);
            it.park(id, "read", read);
            if let (Some(other), "tcp" | "unix") = (other, kind) {
                it.park(id, "write", &writes[number % writes.len()]);
                it.pass(other, "read");
            }
        }
    }
    for (number, write) in writes.iter().enumerate() {
        for kind in [number, number + 1].map(|number| WRITTEN[number % WRITTEN.len()]) {
            let (id, other) = it.open(kind);
            let id = match kind {
                "pipe" => other.expect("the end that is written"),
                _ => id,
            };
            it.park(id, "write", write);
        }
    }
    for place in ["receive", "select", "sleep", "mutex", "waitgroup", "cond"] {
        it.service.obey(&format!("wait {place} 2"));
    }
    assert!(reads.len() > 8 && writes.len() > 4, "{reads:?}, {writes:?}");
    it.done
}

/// Whether Go leaves it out.
fn is_hidden(function: &str) -> bool {
    function.starts_with("runtime.") && function != "runtime.gopanic"
}

/// Compares a direction with what the program says of it. `offset_ns` is from the program's clock
/// of deadlines to that by which it knows them.
fn compare(what: &str, told: &kept::Side, truth: &Value, offset_ns: i64, seen: &mut Prepared) {
    seen.sides += 1;
    match truth["deadline_unix_ns"].as_i64().expect("a number") {
        0 => assert_eq!(told.deadline_ns, 0, "{what}"),
        _ if truth["has_passed"] == true => {
            assert_eq!(told.deadline_ns, 1, "{what}");
            seen.passed += 1;
        }
        wall => {
            let truth = u64::try_from(wall - offset_ns).expect("after the machine started");
            let apart = told.deadline_ns.abs_diff(truth);
            assert!(apart < APART_NS, "{what}: {} {truth}", told.deadline_ns);
            seen.pending += 1;
        }
    }
    let truth = &truth["waiter"];
    let Some(waiter) = &told.waiter else {
        assert!(truth.is_null(), "{what}: nobody, but it is {truth}");
        assert!(matches!(told.state, State::Nil | State::Ready), "{what}");
        return;
    };
    assert_eq!(told.state, State::Parked, "{what}");
    let goroutine = truth["goroutine"].as_u64();
    assert_eq!(Some(waiter.task_id), goroutine, "{what}");
    assert_eq!(waiter.task, format!("G{}", waiter.task_id));
    assert_eq!(truth["state"], waiter.reason, "{what}");
    let calls = &waiter.stack.calls;
    let (hidden, shown): (Vec<_>, Vec<_>) = calls.iter().partition(|it| is_hidden(&it.function));
    let shown = shown.into_iter().map(|it| match &*it.function {
        // As Go calls it there.
        "runtime.gopanic" => format!("panic {}", it.location),
        function => format!("{function} {}", it.location),
    });
    let shown: Vec<String> = shown.collect();
    assert_eq!(truth["stack"], Value::from(shown), "{what}");
    let hidden: Vec<_> = hidden.into_iter().map(|it| &*it.function).collect();
    let expected = match truth["place"].as_str() {
        Some("panicked" | "failed") => [PARKING, FAILING].concat(),
        _ => PARKING.to_vec(),
    };
    assert_eq!(hidden, expected, "{what}");
    let own = waiter.stack.own.map(|own| &*calls[own].location);
    let file = truth["file"].as_str().expect("a file");
    assert_eq!(own, Some(&*format!("{file}:{}", truth["line"])), "{what}");
    seen.parked += 1;
}

/// Compares how many goroutines do what.
fn count(what: &str, counted: &[(String, u64)], truth: &Value) {
    let states = truth["states"].as_object().expect("states");
    assert!(states.len() > 4, "{what}: {states:?}");
    for (state, count) in states {
        let told = counted.iter().find(|(known, _)| known == state);
        let told = told.map_or(0, |(_, count)| *count);
        let truth = count.as_u64().expect("a number");
        // The runtime's own do the same, and those of connections that have just closed.
        let few = [3, 12][usize::from(state == "IO wait")];
        assert!(
            (truth..=truth + few).contains(&told),
            "{what}: {told} in {state}, not {truth}"
        );
    }
}

/// Builds a program with this `go`, runs it, and compares all that is read in its memory with what
/// it says.
fn check(go: &Path, flags: &[&str], is_moved: bool) {
    let scratch = tempfile::tempdir().expect("a folder");
    let program = scratch.path().join("truth");
    emulated::build(go, flags, &program);
    let executable = || File::open(&program).expect("what was built");
    let image = Image::open(executable(), LARGEST_READ).expect("an executable");
    let entry = image.entry();
    let runtime = runtime::of_file(executable(), LARGEST_READ);

    let mut service = Service::start(&program, scratch.path());
    let prepared = prepare(&mut service);
    let truth = service.obey("truth");
    let what = format!("{} {flags:?}", truth["go"]);
    assert_eq!(truth["go"], format!("go{}", runtime.version), "{what}");
    let registered = service.registered();
    let core: Core = service.end();

    let bias = core.entry().wrapping_sub(entry);
    assert_eq!(bias != 0, is_moved, "{what}: moved by {bias:#x}");
    let layout = Layout::of(&runtime.version).expect("a release that is known");
    let mut reader = open(core, image, layout.clone(), bias);
    assert!(reader.program().is_some(), "{what}: no functions");
    let number = |name: &str| truth[name].as_i64().expect("a time");
    let offset_ns = number("now_unix_ns") - number("now_monotonic_ns");
    let (mut seen, mut known, mut used_again) = (Prepared::default(), Vec::new(), 0);
    for descriptor in truth["descriptors"].as_array().expect("descriptors") {
        let it = registered.iter().find(|it| descriptor["fd"] == it.fd);
        let it = it.unwrap_or_else(|| panic!("{what}: not registered: {descriptor}"));
        let Some(Kept::Row(row)) = reader.row(it.fd, it.data) else {
            panic!("{what}: nothing is kept of {descriptor}");
        };
        used_again += usize::from(row.sequence > Some(1));
        assert!(!row.closing && !row.event_err, "{what}: {row:?}");
        known.extend(reader.waiting(it.fd, it.data));
        for (direction, told) in [("read", &row.read), ("write", &row.write)] {
            let truth = &descriptor[direction];
            let what = format!("{what}, {} {} {direction}", descriptor["kind"], it.fd);
            if !truth.is_null() {
                compare(&what, told, truth, offset_ns, &mut seen);
            } else {
                assert_eq!(told.waiter, None, "{what}");
            }
        }
    }
    assert_eq!(format!("{seen:?}"), format!("{prepared:?}"), "{what}");
    assert!(
        seen.parked > 50 && seen.pending > 25 && seen.passed > 8,
        "{what}: {seen:?}"
    );
    // Since Go 1.20 the word of a registration says for how many it was used.
    let is_counted = layout.poll_desc.fdseq.is_some();
    assert_eq!(used_again > 4, is_counted, "{what}: {used_again}");
    let (counted, is_cut) = reader.tasks(&known).expect("the list of all goroutines");
    assert!(!is_cut, "{what}: {counted:?}");
    count(&what, &counted, &truth);
    println!("{what}: {seen:?}");
}

#[test]
#[ignore = "needs qemu-user, libc6-arm64-cross and several releases of Go"]
fn what_is_read_of_a_program_for_arm64_is_what_it_says_itself() {
    let releases: Vec<PathBuf> = netpoller_tests::go::releases();
    // The oldest, the newest, and one between.
    let some = [0, releases.len() / 2, releases.len() - 1].map(|at| &releases[at]);
    thread::scope(|scope| {
        for go in some {
            scope.spawn(move || {
                for (flags, is_moved) in FORMS {
                    check(go, flags, is_moved);
                }
            });
        }
    });
}
