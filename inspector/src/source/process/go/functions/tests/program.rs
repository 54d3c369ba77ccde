//! Programs that Go builds, which say what they know of themselves. GOS says where each `go` is.

use std::fs::{File, read, read_to_string, write};
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::super::text;
use super::*;
use crate::source::process::go::layout::{self, Layout};
use crate::source::process::go::{module, tables};
use crate::source::process::image::Image;
use crate::source::process::memory::Process;

/// Prints its own stack from several places, each frame on a line, and then waits.
const PROGRAM: &str = r#"package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
)

type teller interface{ tell(depth int) }

type square struct{ side int }

func record() {
	var pcs [64]uintptr
	n := runtime.Callers(1, pcs[:])
	frames := runtime.CallersFrames(pcs[:n])
	for _, pc := range pcs[:n] {
		frame, _ := frames.Next()
		fmt.Printf("%x\t%s\t%s\t%d\n", pc, frame.Function, frame.File, frame.Line)
	}
	fmt.Println("end")
}

func inlined() { record() }

func twice() {
	inlined()
}

//go:noinline
func (s square) tell(depth int) {
	if depth > 0 {
		s.tell(depth - 1)
	}
	twice()
}

//go:noinline
func apply[T any](value T, f func(T)) { f(value) }

func thrice[T any](value T) {
	twice()
}

//go:noinline
func deferred(t teller) {
	defer func() {
		recover()
		t.tell(0)
	}()
	var nowhere *square
	nowhere.side++
}

func (s *square) serve(done chan bool) {
	apply(s, thrice[*square])
	done <- true
}

func main() {
	s := &square{side: 2}
	apply(s, func(s *square) {
		var t teller = s
		t.tell(2)
	})
	deferred(s)
	done := make(chan bool)
	go s.serve(done)
	<-done
	fmt.Println("waiting")
	io.Copy(io.Discard, os.Stdin)
}
"#;

/// Prints what Go's own reader of such tables says of many instructions of an executable.
const READER: &str = r#"package main

import (
	"debug/elf"
	"debug/gosym"
	"fmt"
	"os"
)

func main() {
	file, err := elf.Open(os.Args[1])
	check(err)
	section := file.Section(".gopclntab")
	if section == nil {
		section = file.Section(".data.rel.ro.gopclntab")
	}
	data, err := section.Data()
	check(err)
	text := file.Section(".text")
	table, err := gosym.NewTable(nil, gosym.NewLineTable(data, text.Addr))
	check(err)
	fmt.Printf("tables\t%x\n", section.Addr)
	fmt.Printf("text\t%x\n", text.Addr)
	for pc := text.Addr; pc < text.Addr+text.Size; pc += 188 {
		name, line, f := table.PCToLine(pc)
		if f != nil {
			fmt.Printf("%x\t%s\t%s\t%d\n", pc, f.Name, name, line)
		}
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
"#;

/// A folder in which one release of Go builds.
struct Workshop {
    go: PathBuf,
    folder: TempDir,
}

impl Workshop {
    /// One for each release.
    fn each() -> impl Iterator<Item = Self> {
        let releases = netpoller_tests::go::releases();
        releases.into_iter().map(Self::new)
    }

    fn new(go: PathBuf) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, source) in [("program", PROGRAM), ("reader", READER)] {
            let of = folder.path().join(name);
            std::fs::create_dir(&of).expect("a folder");
            write(of.join("main.go"), source).expect("write");
        }
        write(folder.path().join("go.mod"), "module made\n\ngo 1.18\n").expect("write");
        Self { go, folder }
    }

    fn build(&self, what: &str, architecture: &str, flags: &[&str]) -> PathBuf {
        let name = format!("built-{what}{architecture}{}", flags.concat());
        let built = self.folder.path().join(name.replace(' ', ""));
        let mut command = netpoller_tests::go::command(&self.go);
        command.arg("build").args(flags).arg("-o").arg(&built);
        command
            .arg(format!("./{what}"))
            .current_dir(self.folder.path());
        if !architecture.is_empty() {
            command.env("GOARCH", architecture);
        }
        let output = command.output().expect("Go, which this needs, is there");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {said}");
        built
    }
}

fn image(path: &Path) -> Image {
    let file = File::open(path).expect("what was built");
    Image::open(file, 1 << 30).expect("an executable")
}

/// A frame of which the program or Go's reader told.
#[derive(Debug)]
struct Told {
    pc: u64,
    function: String,
    file: String,
    line: u32,
}

impl Told {
    fn of(line: &str) -> Option<Self> {
        let fields: Vec<_> = line.split('\t').collect();
        let [pc, function, file, line] = *fields else {
            return None;
        };
        Some(Self {
            pc: u64::from_str_radix(pc, 16).ok()?,
            function: function.into(),
            file: file.into(),
            line: line.parse().ok()?,
        })
    }
}

/// What Go's reader says of an executable: frames, and numbers by their name.
fn read_by_go(reader: &Path, built: &Path) -> (Vec<Told>, HashMap<String, u64>) {
    let output = Command::new(reader).arg(built).output().expect("run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).expect("text");
    let number = |line: &str| {
        let (name, value) = line.split_once('\t')?;
        let value = u64::from_str_radix(value, 16).ok()?;
        Some((name.to_owned(), value))
    };
    let frames = text.lines().filter_map(Told::of).collect();
    (frames, text.lines().filter_map(number).collect())
}

/// Where a program has what, by its own debug information.
fn layout(built: &Path) -> layout::Module {
    let file = File::open(built).expect("what was built");
    Layout::of_debug_info(file).expect("a layout").module
}

/// A program that runs, until this goes.
struct Running {
    child: Child,
    built: PathBuf,
    /// The stacks of which it told.
    stacks: Vec<Vec<Told>>,
}

impl Running {
    fn of(built: &Path) -> Self {
        let mut command = Command::new(built);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("run");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let (mut stacks, mut stack) = (Vec::new(), Vec::new());
        for line in lines.map(|line| line.expect("a line")) {
            match &*line {
                "waiting" => break,
                "end" => stacks.push(std::mem::take(&mut stack)),
                line => stack.push(Told::of(line).expect("a frame")),
            }
        }
        let built = built.canonicalize().expect("what was built");
        Self {
            child,
            built,
            stacks,
        }
    }

    /// How far it was moved.
    fn bias(&self, image: &Image) -> u64 {
        let maps = read_to_string(format!("/proc/{}/maps", self.child.id())).expect("its maps");
        let name = self.built.to_str().expect("a name");
        let mut mapped = maps.lines().filter(|line| line.ends_with(name));
        let start = mapped.next().and_then(|line| line.split('-').next());
        let start = u64::from_str_radix(start.expect("a map"), 16).expect("an address");
        start - image.loaded()[0].0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What is in a file and has an address.
fn addresses(image: &Image) -> Vec<Range<u64>> {
    let loaded = image.loaded();
    let addresses = loaded
        .iter()
        .map(|(address, part)| *address..address + part.size);
    addresses.collect()
}

/// Sees that the functions of a program are those of which it tells itself.
fn check_running(built: &Path, layout: &layout::Module) {
    let image = image(built);
    let running = Running::of(built);
    let tables = tables::find(&image);
    let [tables] = *tables else {
        panic!("{built:?}: {tables:x?}");
    };
    let bias = running.bias(&image);
    let memory = Process::open(running.child.id()).expect("it is a child");
    memory.allow(256 << 20);
    let module = module::find(&memory, &addresses(&image), tables, bias, layout);
    let module = module.unwrap_or_else(|| panic!("{built:?}, moved by {bias:#x}"));
    let functions = Functions::open(&image, tables, module.text, Some(module.gofunc));
    let functions = functions.expect("these are tables");
    assert_eq!(running.stacks.len(), 5, "{built:?}");
    for stack in &running.stacks {
        for (number, told) in stack.iter().enumerate() {
            let mut frames = functions.frames(told.pc - 1 - bias);
            frames.retain(|frame| !frame.is_wrapper);
            assert!(!frames.is_empty(), "{built:?}: {told:?}");
            for (frame, told) in frames.iter().zip(&stack[number..]) {
                let found = (&*frame.function, &*frame.file, frame.line);
                let expected = (&*told.function, &*told.file, told.line);
                assert_eq!(found, expected, "{built:?}: {stack:#x?}");
            }
        }
    }
    // All of what this is about was there.
    let frames = running.stacks.iter().flatten();
    let names: Vec<_> = frames.map(|frame| &*frame.function).collect();
    for name in [
        "main.inlined",
        "main.square.tell",
        "main.(*square).serve",
        "main.apply[...]",
        "main.main.func1",
        "main.deferred.func1",
    ] {
        assert!(names.contains(&name), "{built:?}: {name}");
    }
}

/// Sees that the functions in a file are those that Go's own reader finds there.
fn check_file(reader: &Path, built: &Path, is_moved: bool, layout: &layout::Module) {
    let (told, numbers) = read_by_go(reader, built);
    let (tables, text) = (numbers["tables"], numbers["text"]);
    let program = image(built);
    assert_eq!(tables::find(&program), [tables], "{built:?}");
    // Sections can be stripped away too.
    let mut bytes = read(built).expect("read");
    bytes[40..48].fill(0);
    bytes[58..64].fill(0);
    let bare = built.with_extension("bare");
    write(&bare, bytes).expect("write");
    let bare = image(&bare);
    assert!(!bare.has_sections());
    assert_eq!(tables::find(&bare), [tables], "{built:?}");

    // What is moved may say so only once it runs.
    let module = module::find(&program, &addresses(&program), tables, 0, layout);
    match module {
        Some(module) => assert_eq!(module.text, text, "{built:?}"),
        None => assert!(is_moved, "{built:?}"),
    }
    let gofunc = module.map(|module| module.gofunc);
    let functions = Functions::open(&program, tables, text, gofunc).expect("these are tables");
    let (mut positions, mut inlined, mut wrappers) = (0, 0, 0);
    for told in &told {
        let frames = functions.frames(told.pc);
        let (Some(inner), Some(outer)) = (frames.first(), frames.last()) else {
            panic!("{built:?}: {told:x?}");
        };
        let name = text::cut(text::shown(&told.function));
        assert_eq!(outer.function, name, "{built:?} {told:x?}");
        // Go's reader tells a line even of what is behind the last one.
        if inner.line != 0 {
            let position = (&*inner.file, inner.line);
            assert_eq!(position, (&*told.file, told.line), "{built:?} {told:x?}");
            positions += 1;
        }
        inlined += usize::from(frames.len() > 1);
        wrappers += usize::from(outer.is_wrapper);
        assert!(!outer.is_wrapper || told.function != "main.main");
    }
    let most = told.len() * 9 / 10;
    assert!(most > 1000 && positions > most, "{built:?}: {positions}");
    assert!(wrappers > 0, "{built:?}");
    assert_eq!(inlined > 100, gofunc.is_some(), "{built:?}: {inlined}");
}

#[test]
#[ignore = "needs several releases of Go"]
fn each_frame_is_the_one_of_which_the_program_itself_tells() {
    for workshop in Workshop::each() {
        let layout = layout(&workshop.build("program", "", &[]));
        for flags in [
            &[][..],
            &["-ldflags=-s -w"],
            &["-buildmode=pie"],
            &["-buildmode=pie", "-ldflags=-s -w"],
        ] {
            check_running(&workshop.build("program", "", flags), &layout);
        }
    }
}

#[test]
#[ignore = "needs several releases of Go"]
fn each_instruction_is_of_the_function_and_line_that_go_itself_reads() {
    for workshop in Workshop::each() {
        let reader = workshop.build("reader", "", &[]);
        for architecture in ["amd64", "arm64"] {
            let built = workshop.build("program", architecture, &[]);
            let layout = layout(&built);
            check_file(&reader, &built, false, &layout);
            let built = workshop.build("program", architecture, &["-buildmode=pie"]);
            check_file(&reader, &built, true, &layout);
        }
    }
}
