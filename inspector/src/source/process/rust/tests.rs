use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use self::expected::{EXPECTED, Told, WITHIN, expected_of, line, line_of, told};
use super::super::auxv;
use super::super::facts;
use super::super::memory::Process;
use super::super::separate;
use super::*;

mod damaged;
mod expected;

/// A program that was built, and runs.
struct Running {
    /// What it is in; of another that is the same, that one has it.
    _directory: Option<tempfile::TempDir>,
    path: PathBuf,
    process: Child,
    bias: u64,
    /// The function that polls each future, where that is in memory, its size and its alignment.
    futures: HashMap<String, [u64; 4]>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn rustc(directory: &Path, source: &str, options: &[&str]) {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/source/process/rust/tests");
    let output = Command::new(rustc)
        .args(["--edition=2024", "-Awarnings", "-L."])
        .args(options)
        .arg(sources.join(source))
        .current_dir(directory)
        .env("RUSTC_BOOTSTRAP", "1")
        .output()
        .expect("rustc");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{options:?}: {said}");
}

/// Builds it with these options.
fn build(options: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    rustc(
        directory.path(),
        "tokio.rs",
        &[&["--crate-type=rlib"], options].concat(),
    );
    rustc(
        directory.path(),
        "truth.rs",
        &[&["--extern=tokio"], options].concat(),
    );
    let path = directory.path().join("truth");
    (directory, path)
}

/// Builds it, and returns its bytes.
fn built(options: &[&str]) -> Vec<u8> {
    let (_directory, path) = build(options);
    std::fs::read(path).expect("it is there")
}

fn image(path: &Path) -> Image {
    Image::open(File::open(path).expect("it is there"), 1 << 20).expect("an executable")
}

impl Running {
    fn new(options: &[&str]) -> Self {
        let (directory, path) = build(options);
        Self::start(directory, path)
    }

    fn start(directory: tempfile::TempDir, path: PathBuf) -> Self {
        let mut running = Self::run(path);
        running._directory = Some(directory);
        running
    }

    fn run(path: PathBuf) -> Self {
        let mut process = Command::new(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it runs");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut futures = HashMap::new();
        for line in output.lines() {
            let line = line.expect("text");
            if line.starts_with('#') {
                continue;
            }
            let words: Vec<&str> = line.split(' ').collect();
            let number = |text: &str| match text.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16).expect("an address"),
                None => text.parse().expect("a number"),
            };
            let [name, poll, address, size, alignment] = words[..] else {
                panic!("{line}");
            };
            let numbers = [poll, address, size, alignment].map(number);
            futures.insert(name.to_owned(), numbers);
            if name == "ready" {
                break;
            }
        }
        let entry = auxv::entry(process.id()).expect("it has begun");
        let bias = entry.wrapping_sub(image(&path).entry());
        for [poll, ..] in futures.values_mut() {
            *poll = poll.wrapping_sub(bias);
        }
        Self {
            _directory: None,
            path,
            process,
            bias,
            futures,
        }
    }

    fn program(&self) -> Program {
        Program::open(image(&self.path))
    }

    fn poll(&self, name: &str) -> u64 {
        self.futures[name][0]
    }

    /// Calls of a future with the lines they are in, the outermost first.
    fn awaits(&self, program: &mut Program, name: &str) -> Option<Told> {
        Some(told(&self.stack(program, name)?))
    }

    /// The same of what is within.
    fn within(&self, program: &mut Program, name: &str) -> Option<Told> {
        Some(told(self.stack(program, name)?.within.as_ref()?))
    }

    fn stack(&self, program: &mut Program, name: &str) -> Option<Stack> {
        let [poll, address, ..] = self.futures[name];
        let future = program.task(poll)?;
        program.awaits(&self.memory(), self.bias, &future, address, None)
    }

    fn memory(&self) -> Process {
        let memory = Process::open(self.process.id()).expect("it may be read");
        memory.allow(64 << 20);
        memory
    }

    fn place(&self, name: &str) -> Place {
        let [_, address, of, _] = self.futures[name];
        Place { address, of }
    }
}

/// All that debug information can tell is told, however it is written.
fn all_is_told(options: &[&str]) {
    let running = Running::new(&[&["-Cdebuginfo=2"], options].concat());
    let mut program = running.program();
    program.rest();
    for (name, expected) in EXPECTED {
        let expected = expected_of(expected);
        let found = running.awaits(&mut program, name);
        assert_eq!(found.as_deref(), Some(&*expected), "{name} {options:?}");
        program.rest();
        assert_eq!(
            running.awaits(&mut program, name).as_deref(),
            Some(&*expected)
        );
        let within = WITHIN.iter().find(|(it, _)| it == name);
        let within = within.map(|(_, calls)| expected_of(calls));
        let found = running.within(&mut program, name);
        assert_eq!(found, within, "{name} {options:?}");
    }
    the_place_tells_which_of_several_waits(&running, &mut program);
    assert_eq!(running.awaits(&mut program, "over"), None);
    let deeper = running.awaits(&mut program, "deeper").expect("some of it");
    assert_eq!(deeper.len(), 64);
    let unresumed = running.awaits(&mut program, "unresumed");
    let definition = line_of("async fn second");
    let expected = vec![("truth::second::{async fn}".to_owned(), Some(definition))];
    assert_eq!(unresumed, Some(expected));
    for (name, [poll, _, size, alignment]) in &running.futures {
        if name.starts_with("place") {
            continue;
        }
        if name == "ready" {
            assert_eq!(program.function(*poll).as_deref(), Some("truth::main"));
            assert_eq!(program.task(*poll), None);
            continue;
        }
        let future = program.task(*poll).expect("a task");
        assert_eq!(
            (future.size, future.alignment),
            (Some(*size), Some(*alignment))
        );
        assert_eq!(program.function(*poll + 1), None);
    }
    let block = program.task(running.poll("block")).expect("a task");
    assert_eq!(block.name, "truth::main::{async block}");
    let path = format!(
        "{}/src/source/process/rust/tests/truth.rs",
        env!("CARGO_MANIFEST_DIR")
    );
    assert_eq!(block.location, Some(format!("{path}:{}", line("begun"))));
    let second = program.function(running.poll("second"));
    let name = "tokio::runtime::task::raw::poll<truth::second::{async_fn_env#0}, truth::Scheduler>";
    assert_eq!(second.as_deref(), Some(name));
}

/// The future for which a thread waits at a place, and where all threads sleep.
fn blocked(
    running: &Running,
    program: &mut Program,
    name: &str,
) -> Option<((Future, Stack), Vec<u64>)> {
    let (memory, place) = (running.memory(), running.place(name));
    // Both of its threads sleep in the end; one may sleep for something else before.
    (0..100).find_map(|_| {
        std::thread::sleep(Duration::from_millis(10));
        let (threads, _) = facts::threads(running.process.id());
        let stacks = threads.into_iter().map(|it| it.stack);
        let stacks: Vec<u64> = stacks.collect::<Option<_>>()?;
        let found = program.blocked(&memory, running.bias, place, &stacks)?;
        Some((found, stacks))
    })
}

fn the_place_tells_which_of_several_waits(running: &Running, program: &mut Program) {
    let of_listed = &[
        ("truth::listed_beside::{async fn}", "listed_beside"),
        (
            "truth::Both<truth::second::{async fn}, truth::listed::{async fn}>",
            "",
        ),
        ("truth::listed::{async fn}", "listed"),
        ("truth::Listed", ""),
    ];
    let two = running.stack(program, "listed_beside").expect("a task");
    assert_eq!(told(&two), expected_of(&of_listed[..2]));
    assert_eq!(two.within, None);
    // Of one that may not be the only one neither.
    let hidden = running.stack(program, "hidden_beside").expect("a task");
    assert_eq!((hidden.calls.len(), &hidden.within), (2, &None));
    let memory = running.memory();
    let [poll, address, ..] = running.futures["listed_beside"];
    let future = program.task(poll).expect("a task");
    let place = running.place("place_of_listed_beside");
    let stack = program.awaits(&memory, running.bias, &future, address, Some(place));
    assert_eq!(told(&stack.expect("a task")), expected_of(of_listed));
    let boxed = [
        &[("truth::listed_in_a_box::{async fn}", "listed_in_a_box")],
        &of_listed[..],
    ];
    for (name, expected) in [
        ("place_on_the_stack", of_listed.to_vec()),
        ("place_in_a_box", boxed.concat()),
    ] {
        // By chance a word of a stack looks like the state of another future: then none is told.
        let others = std::iter::repeat_with(|| Running::run(running.path.clone()));
        let found = others.take(8).find_map(|it| {
            let found = blocked(&it, program, name)?;
            Some((it, found))
        });
        let (running, ((future, stack), stacks)) = found.expect("a future");
        let (memory, place) = (running.memory(), running.place(name));
        assert_eq!(told(&stack), expected_of(&expected));
        assert_eq!(future.name, expected[0].0);
        // Of which type it is, only the stack of its thread tells.
        assert_eq!(program.blocked(&memory, running.bias, place, &[]), None);
        for other in [
            Place {
                of: place.of + 8,
                ..place
            },
            Place {
                address: place.address + 128,
                ..place
            },
        ] {
            let found = program.blocked(&memory, running.bias, other, &stacks);
            assert_eq!(found, None, "{other:x?}");
        }
    }
}

#[test]
fn all_is_told_of_a_program_as_it_is_debugged() {
    all_is_told(&["-Cdwarf-version=4"]);
    all_is_told(&["-Cdwarf-version=5", "-Csymbol-mangling-version=v0"]);
}

#[test]
fn all_is_told_of_a_program_that_is_optimized() {
    all_is_told(&[
        "-Copt-level=3",
        "-Cdwarf-version=4",
        "-Csymbol-mangling-version=v0",
    ]);
    all_is_told(&["-Copt-level=3", "-Cdwarf-version=5", "-Ccodegen-units=1"]);
}

#[test]
fn all_is_told_of_a_program_whose_debug_information_is_compressed() {
    all_is_told(&["-Clink-arg=-Wl,--compress-debug-sections=zlib"]);
}

fn objcopy(arguments: &[&str], directory: &Path) {
    let objcopy = Command::new("objcopy")
        .args(arguments)
        .current_dir(directory)
        .status();
    assert!(
        objcopy.expect("it comes with a C compiler").success(),
        "{arguments:?}"
    );
}

#[test]
fn all_is_told_of_a_program_whose_debug_information_is_in_a_file_of_its_own() {
    for id in [
        "-Clink-arg=-Wl,--build-id=sha1",
        "-Clink-arg=-Wl,--build-id=none",
    ] {
        let (directory, path) = build(&["-Cdebuginfo=2", id]);
        let folder = directory.path();
        objcopy(&["--only-keep-debug", "truth", "truth.debug"], folder);
        objcopy(
            &["--strip-all", "--add-gnu-debuglink=truth.debug", "truth"],
            folder,
        );
        let (debug, other) = (folder.join("truth.debug"), folder.join("other"));
        let running = Running::start(directory, path);
        let find = || separate::find(running.process.id(), &image(&running.path));
        assert_eq!(running.program().task(running.poll("second")), None);
        let mut program = Program::open(find().expect("it is beside it"));
        let (_, expected) = EXPECTED
            .iter()
            .find(|(name, _)| *name == "second")
            .expect("one");
        let told = running.awaits(&mut program, "second");
        assert_eq!(told, Some(expected_of(expected)), "{id}");
        // One of another program, and none.
        std::fs::rename(&debug, &other).expect("it is renamed");
        assert!(find().is_none(), "{id}");
        let mut bytes = std::fs::read(&other).expect("it is there");
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        if id.ends_with("sha1") {
            bytes = built(&["-Cdebuginfo=2", "-Copt-level=3", id]);
        }
        std::fs::write(&debug, bytes).expect("it is written");
        assert!(find().is_none(), "{id}");
    }
}

#[test]
fn names_are_told_of_a_program_without_types() {
    for (debug, options) in [
        ("-Cdebuginfo=1", &[][..]),
        ("-Cdebuginfo=1", &["-Copt-level=3", "-Cdwarf-version=5"]),
        ("-Cdebuginfo=line-tables-only", &["-Copt-level=3"]),
        ("-Cdebuginfo=0", &["-Csymbol-mangling-version=v0"]),
        (
            "-Cdebuginfo=0",
            &["-Csymbol-mangling-version=v0", "-Copt-level=3"],
        ),
    ] {
        let running = Running::new(&[&[debug], options].concat());
        let mut program = running.program();
        let future = program.task(running.poll("block")).expect("a task");
        let told: &[&str] = match debug {
            "-Cdebuginfo=0" => &["truth::main::{closure#0}"],
            _ => &["truth::main::{async block}"],
        };
        assert_eq!([&*future.name], told, "{debug} {options:?}");
        assert_eq!((future.size, future.kind), (None, None));
        if debug == "-Cdebuginfo=1" {
            let location = future.location.expect("its line");
            assert!(
                location.ends_with(&format!("/truth.rs:{}", line("begun"))),
                "{location}"
            );
        }
        assert_eq!(running.awaits(&mut program, "block"), None);
        let main = program.function(running.poll("ready"));
        assert_eq!(main.as_deref(), Some("truth::main"), "{debug} {options:?}");
    }
}

#[test]
fn nothing_is_told_of_a_program_that_says_nothing() {
    let running = Running::new(&[
        "-Cdebuginfo=0",
        "-Zunstable-options",
        "-Csymbol-mangling-version=legacy",
    ]);
    let mut program = running.program();
    assert_eq!(program.task(running.poll("block")), None);
    let name = program.function(running.poll("ready"));
    assert_eq!(name.as_deref(), Some("truth::main"));
    let running = Running::new(&["-Cdebuginfo=0", "-Cstrip=symbols"]);
    let mut program = running.program();
    for name in ["block", "ready"] {
        assert_eq!(program.task(running.poll(name)), None);
        assert_eq!(program.function(running.poll(name)), None);
    }
}

#[test]
fn calls_are_told_from_those_of_libraries() {
    let call = |location: &str| Call {
        function: String::new(),
        location: location.to_owned(),
    };
    let others = [
        "",
        "/rustc/0123/library/core/src/future/mod.rs:1",
        "/home/a/.cargo/registry/src/index/tokio-1.54.1/src/a.rs:2",
        "/home/a/.cargo/git/checkouts/b/src/lib.rs:3",
        "/home/a/.rustup/toolchains/stable/lib/rustlib/src/rust/library/core/src/a.rs:4",
    ];
    let mut calls: Vec<Call> = others.iter().map(|it| call(it)).collect();
    let own = |calls| {
        let awaits = Awaits {
            calls,
            ..Awaits::default()
        };
        stack(awaits).own
    };
    assert_eq!(own(calls.clone()), None);
    calls.push(call("/home/a/library/src/main.rs:5"));
    assert_eq!(own(calls), Some(others.len()));
}
