//! What a process is made of, read from its executable only.
//!
//! Nothing is guessed: a name is what only that runtime leaves in a program, and a version is text
//! that the runtime itself put there. Several may hold, and the first of these is told:
//!
//! | is | if its executable has |
//! |---|---|
//! | Go | the section that its linker writes for `go version` |
//! | tokio | paths of source files of tokio's runtime, which its panics name |
//! | nginx | the text of `nginx -v` |
//! | libuv | the symbol `uv_run`, and either the library's name or what only the library prints |
//!
//! Of several versions of tokio the one with most paths is told, the higher if they have as many.
//! Bun has a `uv_run` that only says that it is not there, which is why the symbol is not enough.
//!
//! What it does not see: libraries that are loaded, such as Debian's `libnode.so`; tokio in a
//! program without panic locations; libuv that was linked in and whose symbols are stripped; an
//! executable that is packed, of 32 bits or big-endian.

mod image;

use std::fmt;
use std::fs::File;

use memchr::memmem;

use self::image::{Image, LARGEST_READ, MARGIN, Part, Window};

/// The longest version.
const LONGEST_VERSION: usize = 32;

/// What Go's linker writes: this, the size of a pointer, flags, and the version of Go.
const GO_SECTION: &str = ".go.buildinfo";
const GO_MAGIC: &[u8] = b"\xff Go buildinf:";
const GO_HEADER: usize = 32;
/// The version follows, its length first, instead of its address; since Go 1.18.
const GO_INLINE: u8 = 2;
const GO_BIG_ENDIAN: u8 = 1;
/// It is at such addresses; and it is looked for at as many, where no section says which.
const GO_ALIGNMENT: u64 = 16;
const MOST_PLACES: usize = 16;
/// The longest that Go says of its version: some is said of who built it how, behind a space.
const LONGEST_GO: u64 = 256;
/// The tables of functions, which is all there is of Go before 1.13.
const GO_FUNCTIONS: &str = ".gopclntab";

/// In the path of each file of tokio's runtime.
const TOKIO: &str = "tokio";
const TOKIO_RUNTIME: &[u8] = b"/src/runtime/";
/// The longest name of a folder that is looked at, and of what is below `TOKIO_RUNTIME`.
const LONGEST_FOLDER: usize = 64;
const LONGEST_FILE: usize = 128;
/// As many versions are told apart, and as many paths counted.
const MOST_VERSIONS: usize = 16;
const MOST_PATHS: u32 = 1 << 16;

const NGINX: &[u8] = b"nginx version: nginx/";

const UV_RUN: &[u8] = b"\0uv_run\0";
const UV_LIBRARY: &[u8] = b"\0libuv.so";
/// How `uv_print_all_handles` prints one.
const UV_HANDLE: &[u8] = b"[%c%c%c] %-8s %p\n";

/// What a process is made of, as far as its executable tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::source) struct Runtime {
    /// "go", "tokio", "nginx" or "libuv"; empty if it is not known.
    pub(in crate::source) name: &'static str,
    /// Such as "1.26.1"; empty if the executable does not tell.
    pub(in crate::source) version: String,
}

/// Reads it from the executable of process `pid` (through /proc/PID/exe, which works in containers
/// and for deleted files).
///
/// It takes as long as reading the constants of the executable, of which 256 MB are read at most.
pub(in crate::source) fn of(pid: u32) -> Runtime {
    let file = File::open(format!("/proc/{pid}/exe")).ok();
    file.map(|file| of_file(file, LARGEST_READ))
        .unwrap_or_default()
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.name {
            "" => "unknown",
            "go" => "Go",
            name => name,
        })?;
        match self.version.as_str() {
            "" => Ok(()),
            version => write!(f, " {version}"),
        }
    }
}

fn of_file(file: File, budget: u64) -> Runtime {
    let Some(mut image) = Image::open(file, budget) else {
        return Runtime::default();
    };
    let runtime = |name, version: Option<String>| Runtime {
        name,
        version: version.unwrap_or_default(),
    };
    if let Some(version) = go(&mut image) {
        return runtime("go", version);
    }
    let constants = Constants::of(&mut image);
    if let Some(version) = constants.tokio() {
        return runtime(TOKIO, version);
    }
    if let Some(version) = constants.nginx {
        return runtime("nginx", Some(version));
    }
    match has_libuv(&mut image, constants.has_uv_handle) {
        true => runtime("libuv", None),
        false => Runtime::default(),
    }
}

/// Returns a version, if it is one that can be shown.
fn version(text: &[u8]) -> Option<String> {
    let is_of_version = |byte: &u8| byte.is_ascii_alphanumeric() || b".+-".contains(byte);
    let is_version = text.len() <= LONGEST_VERSION
        && text.first().is_some_and(u8::is_ascii_digit)
        && text.iter().all(is_of_version);
    is_version.then(|| text.iter().copied().map(char::from).collect())
}

/// Returns the three numbers that a version of a crate or of nginx begins with.
fn numbers(version: &str) -> Option<[u64; 3]> {
    let end = version.find(['-', '+']).unwrap_or(version.len());
    let mut parts = version[..end].split('.');
    let mut number = || {
        let part = parts.next()?;
        let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse().ok())?
    };
    let numbers = [number()?, number()?, number()?];
    parts.next().is_none().then_some(numbers)
}

// Go.

/// Returns whether it is Go, and which.
fn go(image: &mut Image) -> Option<Option<String>> {
    if let Some(part) = image.section(GO_SECTION)
        && let Some(version) = go_build(image, part)
    {
        return Some(version);
    }
    if image.has_sections() {
        return image.section(GO_FUNCTIONS).map(|_| None);
    }
    // What is found without a section has to be all there.
    let mut found = Vec::new();
    for part in image.variables() {
        image.search(part, |window| {
            let places = memmem::find_iter(window.bytes, GO_MAGIC);
            let places = places.filter(|at| window.inside.contains(at));
            let places = places.map(|at| window.offset.saturating_add(at as u64));
            let places = places.filter(|at| at.is_multiple_of(GO_ALIGNMENT));
            found.extend(places.take(MOST_PLACES - found.len()));
            found.len() == MOST_PLACES
        });
    }
    let part = |offset| Part {
        offset,
        size: u64::MAX,
    };
    let mut versions = found.into_iter().map(|at| go_build(image, part(at)));
    versions.find_map(|version| version.flatten()).map(Some)
}

/// Returns whether this is what Go's linker writes, and the version in it.
fn go_build(image: &mut Image, part: Part) -> Option<Option<String>> {
    let header = image.read(part, GO_HEADER)?;
    let [pointer, flags, ..] = *header.strip_prefix(GO_MAGIC)? else {
        return None;
    };
    let text = match flags & (GO_INLINE | GO_BIG_ENDIAN) {
        0 if pointer == 8 => go_string(image, &header),
        GO_INLINE => go_inline(image, part),
        _ => None,
    };
    Some(text.and_then(|text| go_version(&text)))
}

/// Reads the version that follows the header: its length by seven bits a byte, then itself.
fn go_inline(image: &mut Image, part: Part) -> Option<Vec<u8>> {
    let rest = Part {
        offset: part.offset.checked_add(GO_HEADER as u64)?,
        size: part.size.checked_sub(GO_HEADER as u64)?,
    };
    // As long as it may be, its length takes two bytes.
    let (size, before) = match *image.read(rest, 2)? {
        [low, _] if low < 0x80 => (u64::from(low), 1),
        [low, high] => (u64::from(low & 0x7f) | u64::from(high) << 7, 2),
        _ => return None,
    };
    if size > LONGEST_GO || rest.size < size + before {
        return None;
    }
    let text = Part {
        offset: rest.offset.checked_add(before)?,
        size,
    };
    image.read(text, usize::try_from(size).ok()?)
}

/// Reads the version to which the header points: to a string, which is an address and a length.
///
/// In an executable that is moved to where it runs, the addresses may be there only after that, and
/// then there is no version.
fn go_string(image: &mut Image, header: &[u8]) -> Option<Vec<u8>> {
    let word = |bytes: &[u8], at: usize| {
        let word = bytes.get(at..)?.first_chunk()?;
        Some(u64::from_le_bytes(*word))
    };
    let string = image.read_address(word(header, 16)?, 16)?;
    let (address, size) = (word(&string, 0)?, word(&string, 8)?);
    if size > LONGEST_GO {
        return None;
    }
    image.read_address(address, usize::try_from(size).ok()?)
}

/// Returns "1.27.3" of "go1.27.3 X:someexperiment", and "1.28-abcdef" of "devel go1.28-abcdef Mon".
fn go_version(text: &[u8]) -> Option<String> {
    let text = text.strip_prefix(b"devel ").unwrap_or(text);
    let text = text.strip_prefix(b"go")?;
    version(text.split(|byte| *byte == b' ').next()?)
}

// tokio and nginx.

/// What is found among the constants of an executable.
#[derive(Default)]
struct Constants {
    /// The versions of tokio, of which an empty one is that of a path which has none, and the
    /// number of their paths.
    tokios: Vec<(String, u32)>,
    paths: u32,
    nginx: Option<String>,
    has_uv_handle: bool,
}

impl Constants {
    fn of(image: &mut Image) -> Self {
        let mut constants = Self::default();
        for part in image.constants() {
            image.search(part, |window| {
                constants.look(&window);
                false
            });
        }
        constants
    }

    fn look(&mut self, window: &Window<'_>) {
        let bytes = window.bytes;
        let places = |text| {
            let places = memmem::find_iter(bytes, text);
            places.filter(|at| window.inside.contains(at))
        };
        for at in places(TOKIO_RUNTIME) {
            if self.paths == MOST_PATHS {
                break;
            }
            self.paths += 1;
            if let Some(version) = tokio_at(bytes, at) {
                self.count(version);
            }
        }
        if self.nginx.is_none() {
            self.nginx = places(NGINX).find_map(|at| nginx_at(&bytes[at + NGINX.len()..]));
        }
        self.has_uv_handle |= places(UV_HANDLE).next().is_some();
    }

    fn count(&mut self, version: String) {
        let known = self.tokios.iter_mut().find(|(known, _)| *known == version);
        if let Some((_, paths)) = known {
            *paths += 1;
        } else if self.tokios.len() < MOST_VERSIONS {
            self.tokios.push((version, 1));
        }
    }

    /// Returns whether it is tokio, and which.
    fn tokio(&self) -> Option<Option<String>> {
        let rank = |(version, paths): &&(String, u32)| (*paths, numbers(version));
        let (version, _) = self.tokios.iter().max_by_key(rank)?;
        Some((!version.is_empty()).then(|| version.clone()))
    }
}

/// Returns whether the path around `at` is that of a file of tokio's runtime, and of which version:
/// `tokio-1.54.1/src/runtime/…/mod.rs`, or without one `/tokio/src/runtime/…/mod.rs`, where it is
/// in a folder of its own.
fn tokio_at(bytes: &[u8], at: usize) -> Option<String> {
    let (before, after) = bytes.split_at_checked(at)?;
    let file = after.get(TOKIO_RUNTIME.len()..)?;
    let is_of_path = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_.".contains(byte);
    let end = file
        .iter()
        .take(LONGEST_FILE)
        .take_while(|it| is_of_path(it));
    memmem::find(&file[..end.count()], b".rs")?;

    let before = &before[before.len().saturating_sub(LONGEST_FOLDER)..];
    let slash = before.iter().rposition(|byte| *byte == b'/');
    let folder = &before[slash.map_or(0, |slash| slash + 1)..];
    if slash.is_some() && folder == TOKIO.as_bytes() {
        return Some(String::new());
    }
    // Texts stand side by side, so that another one may end where a relative path begins. Bazel
    // names folders after a list and a crate.
    let start = memmem::rfind(folder, TOKIO.as_bytes())?;
    let (other, name) = folder.split_at(start);
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    if other.last().is_some_and(is_of_name) && !other.ends_with(b"__") {
        return None;
    }
    let version = version(name.strip_prefix(TOKIO.as_bytes())?.strip_prefix(b"-")?)?;
    numbers(&version).map(|_| version)
}

/// Returns the version at the beginning of `bytes`.
fn nginx_at(bytes: &[u8]) -> Option<String> {
    let bytes = &bytes[..bytes.len().min(LONGEST_VERSION + 1)];
    let end = bytes.iter().position(|byte| b"\n \0".contains(byte))?;
    let version = version(&bytes[..end])?;
    numbers(&version).map(|_| version)
}

// libuv.

/// Returns whether it is libuv: linked with it, or with the library's name beside its symbol.
fn has_libuv(image: &mut Image, has_handle: bool) -> bool {
    image.names().into_iter().any(|part| {
        let (mut has_run, mut has_library) = (false, false);
        image.search(part, |window| {
            has_run |= memmem::find(window.bytes, UV_RUN).is_some();
            has_library |= memmem::find(window.bytes, UV_LIBRARY).is_some();
            has_run && (has_handle || has_library)
        });
        has_run && (has_handle || has_library)
    })
}

/// What is searched is seen as a whole wherever it is in a window.
const _: () = assert!(LONGEST_FOLDER + TOKIO_RUNTIME.len() + LONGEST_FILE < MARGIN);
const _: () = assert!(NGINX.len() + LONGEST_VERSION < MARGIN);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    /// Enough for any of these executables.
    const BUDGET: u64 = 4 << 20;
    const ADDRESS: u64 = 0x40_0000;
    const HEADER: usize = 64;

    const PROGBITS: u32 = 1;
    const STRTAB: u32 = 3;
    const WRITE: u64 = 1;
    const ALLOC: u64 = 2;

    /// An executable: a segment of constants, one of variables, and a section for each of these.
    struct Built {
        bytes: Vec<u8>,
        sections: Vec<(&'static str, u32, u64, usize, usize)>,
    }

    impl Built {
        fn new() -> Self {
            let bytes = vec![0; HEADER + 2 * 56];
            let sections = vec![("", 0, 0, 0, 0)];
            Self { bytes, sections }
        }

        fn address(&self) -> u64 {
            ADDRESS + self.bytes.len().next_multiple_of(16) as u64
        }

        fn with(mut self, name: &'static str, kind: u32, flags: u64, text: &[u8]) -> Self {
            let start = self.bytes.len().next_multiple_of(16);
            self.bytes.resize(start, 0);
            self.bytes.extend_from_slice(text);
            self.sections.push((name, kind, flags, start, text.len()));
            self
        }

        fn constants(self, text: &[u8]) -> Self {
            self.with(".rodata", PROGBITS, ALLOC, text)
        }

        fn variables(self, name: &'static str, text: &[u8]) -> Self {
            self.with(name, PROGBITS, ALLOC | WRITE, text)
        }

        fn names(self, text: &[u8]) -> Self {
            self.with(".dynstr", STRTAB, ALLOC, text)
        }

        /// Writes the tables. Constants are before variables.
        fn done(mut self, has_sections: bool) -> Vec<u8> {
            let mut names = vec![0];
            for (name, ..) in &self.sections {
                names.extend_from_slice(name.as_bytes());
                names.push(0);
            }
            names.extend_from_slice(b".shstrtab\0");
            if has_sections {
                self = self.with(".shstrtab", STRTAB, 0, &names);
            }
            let end = self.bytes.len().next_multiple_of(16);
            self.bytes.resize(end, 0);
            let mut name = 1;
            for (text, kind, flags, start, size) in self.sections.iter().filter(|_| has_sections) {
                let mut header = [0; 64];
                put(&mut header, 0, &u32::to_le_bytes(name));
                put(&mut header, 4, &kind.to_le_bytes());
                put(&mut header, 8, &flags.to_le_bytes());
                put(&mut header, 24, &(*start as u64).to_le_bytes());
                put(&mut header, 32, &(*size as u64).to_le_bytes());
                self.bytes.extend_from_slice(&header);
                name += text.len() as u32 + 1;
            }
            let is_variable = |flags: u64| flags & WRITE != 0;
            let variables = self.sections.iter().find(|it| is_variable(it.2));
            let middle = variables.map_or(end, |section| section.3);
            let segments = [(4, 0, middle), (6, middle, end)];
            for (index, (flags, start, end)) in segments.into_iter().enumerate() {
                let at = HEADER + index * 56;
                put(&mut self.bytes, at, &1_u32.to_le_bytes());
                put(&mut self.bytes, at + 4, &u32::to_le_bytes(flags));
                put(&mut self.bytes, at + 8, &(start as u64).to_le_bytes());
                let address = ADDRESS + start as u64;
                put(&mut self.bytes, at + 16, &address.to_le_bytes());
                put(
                    &mut self.bytes,
                    at + 32,
                    &((end - start) as u64).to_le_bytes(),
                );
            }
            put(&mut self.bytes, 0, b"\x7fELF\x02\x01\x01");
            put(&mut self.bytes, 32, &(HEADER as u64).to_le_bytes());
            put(&mut self.bytes, 54, &56_u16.to_le_bytes());
            put(&mut self.bytes, 56, &2_u16.to_le_bytes());
            if has_sections {
                let count = self.sections.len() as u16;
                put(&mut self.bytes, 40, &(end as u64).to_le_bytes());
                put(&mut self.bytes, 58, &64_u16.to_le_bytes());
                put(&mut self.bytes, 60, &count.to_le_bytes());
                put(&mut self.bytes, 62, &(count - 1).to_le_bytes());
            }
            self.bytes
        }
    }

    fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
        bytes[at..at + field.len()].copy_from_slice(field);
    }

    fn of_bytes(bytes: &[u8]) -> Runtime {
        let file = tempfile::tempfile().expect("a file");
        file.write_all_at(bytes, 0).expect("write");
        of_file(file, BUDGET)
    }

    fn told(built: Built) -> String {
        of_bytes(&built.done(true)).to_string()
    }

    /// What Go's linker writes.
    fn go_header(pointer: u8, flags: u8) -> Vec<u8> {
        let mut header = GO_MAGIC.to_vec();
        header.extend([pointer, flags]);
        header.resize(GO_HEADER, 0);
        header
    }

    fn go_inlined(text: &str) -> Built {
        let mut section = go_header(8, GO_INLINE);
        let size = text.len();
        match u8::try_from(size).ok().filter(|size| *size < 0x80) {
            Some(size) => section.push(size),
            None => section.extend([size as u8 | 0x80, (size >> 7) as u8]),
        }
        section.extend_from_slice(text.as_bytes());
        section.extend_from_slice(b"\x03mod");
        Built::new()
            .constants(b"constants")
            .variables(GO_SECTION, &section)
    }

    /// As Go up to 1.17 has it: the header, a string header, and the text among the constants.
    fn go_pointed(text: &str) -> Built {
        let built = Built::new();
        let address_of_text = built.address();
        let built = built.constants(text.as_bytes());
        let address = built.address();
        let mut section = go_header(8, 0);
        put(
            &mut section,
            16,
            &(address + GO_HEADER as u64).to_le_bytes(),
        );
        section.extend(address_of_text.to_le_bytes());
        section.extend((text.len() as u64).to_le_bytes());
        built.variables(GO_SECTION, &section)
    }

    /// Paths as panics of such versions name them. They are put together here, so that the
    /// executable of this test has none.
    fn tokios(versions: &[&str]) -> Vec<u8> {
        let path =
            |version: &&str| format!("/home/me/.cargo/{TOKIO}{version}/src/runtime/task/core.rs\0");
        versions.iter().map(path).collect::<String>().into_bytes()
    }

    fn nginx(version: &str) -> Vec<u8> {
        [NGINX, version.as_bytes()].concat()
    }

    #[test]
    fn this_process_is_of_tokio_in_the_version_of_the_lock_file() {
        let manifest = env!("CARGO_MANIFEST_DIR");
        let lock =
            std::fs::read_to_string(format!("{manifest}/../Cargo.lock")).expect("Cargo.lock");
        let (_, rest) = lock
            .split_once("name = \"tokio\"\nversion = \"")
            .expect("tokio");
        let (version, _) = rest.split_once('"').expect("its version");
        let runtime = of(std::process::id());
        assert_eq!((runtime.name, &*runtime.version), ("tokio", version));
        assert_eq!(runtime.to_string(), format!("tokio {version}"));
    }

    #[test]
    fn a_process_that_is_not_there_is_unknown() {
        assert_eq!(of(u32::MAX), Runtime::default());
        assert_eq!(Runtime::default().to_string(), "unknown");
    }

    #[test]
    fn go_says_its_version_inline() {
        assert_eq!(told(go_inlined("go1.27.3")), "Go 1.27.3");
        assert_eq!(told(go_inlined("go1.20")), "Go 1.20");
        assert_eq!(told(go_inlined("go1.27.3 X:greenteagc")), "Go 1.27.3");
        assert_eq!(
            told(go_inlined("devel go1.28-abcdef Mon")),
            "Go 1.28-abcdef"
        );
        let long = format!("go1.27.3 X:{}", "a".repeat(200));
        assert_eq!(told(go_inlined(&long)), "Go 1.27.3");
    }

    #[test]
    fn go_says_its_version_behind_a_pointer() {
        assert_eq!(told(go_pointed("go1.17.13")), "Go 1.17.13");
    }

    #[test]
    fn go_is_go_without_a_version_that_can_be_shown() {
        let longest = format!("go1.{}", "9".repeat(LONGEST_VERSION - 2));
        assert_eq!(
            told(go_inlined(&longest)).len(),
            "Go ".len() + LONGEST_VERSION
        );
        let long = format!("{longest}9");
        let too_long = format!("go1.27.3 X:{}", "a".repeat(LONGEST_GO as usize));
        for text in ["", "go", "go1.\x1b[2J", "gogo", "1.27", &long, &too_long] {
            assert_eq!(told(go_inlined(text)), "Go", "{text:?}");
            assert_eq!(told(go_pointed(text)), "Go", "{text:?}");
        }
        for (pointer, flags) in [(4, 0), (8, GO_BIG_ENDIAN), (8, GO_INLINE | GO_BIG_ENDIAN)] {
            let built = Built::new().variables(GO_SECTION, &go_header(pointer, flags));
            assert_eq!(told(built), "Go");
        }
        let old = Built::new()
            .constants(b"")
            .with(GO_FUNCTIONS, PROGBITS, ALLOC, b"table");
        assert_eq!(told(old), "Go");
    }

    #[test]
    fn go_is_found_without_sections_where_it_would_be() {
        let of = |built: Built| of_bytes(&built.done(false)).to_string();
        assert_eq!(of(go_inlined("go1.27.3")), "Go 1.27.3");
        assert_eq!(of(go_pointed("go1.17.13")), "Go 1.17.13");
        // Neither half of it, nor in the middle of something else.
        assert_eq!(of(go_inlined("nonsense")), "unknown");
        let shifted = [b"12345678", &*go_header(8, GO_INLINE), b"\x08go1.27.3"].concat();
        assert_eq!(of(Built::new().variables(".data", &shifted)), "unknown");
        assert_eq!(of(Built::new().constants(&shifted[8..])), "unknown");
    }

    #[test]
    fn tokio_is_known_by_the_paths_of_its_panics() {
        let of = |text: &[u8]| told(Built::new().constants(text));
        assert_eq!(of(&tokios(&["-1.54.1"])), "tokio 1.54.1");
        assert_eq!(of(&tokios(&["-0.3.0-alpha.1"])), "tokio 0.3.0-alpha.1");
        assert_eq!(of(&tokios(&[""])), "tokio");
        for other in [
            "-util-0.7.1",
            "-stream-0.1.2",
            "-1.54",
            "-1.54.1.2",
            "x",
            "-",
        ] {
            assert_eq!(of(&tokios(&[other])), "unknown", "{other}");
        }
        let end = "-1.54.1/src/runtime/mod.rs";
        for (before, is_it) in [
            ("", true),
            ("an end.", true),
            ("external/crates__", true),
            ("failed", false),
            ("async-", false),
            ("/old_", false),
        ] {
            let text = format!("{before}{TOKIO}{end}");
            let expected = if is_it { "tokio 1.54.1" } else { "unknown" };
            assert_eq!(of(text.as_bytes()), expected, "{before}");
        }
        for after in [
            "",
            "/src/sync/notify.rs",
            "/src/runtime/",
            "/src/runtime/ .rs",
        ] {
            let text = format!("/{TOKIO}-1.54.1{after}");
            assert_eq!(of(text.as_bytes()), "unknown", "{after}");
        }
        let written = tokios(&["-1.54.1"]);
        assert_eq!(told(Built::new().variables(".data", &written)), "unknown");
    }

    #[test]
    fn of_several_tokios_the_one_with_most_paths_is_told_and_then_the_higher() {
        let of = |versions: &[&str]| told(Built::new().constants(&tokios(versions)));
        assert_eq!(of(&["-0.2.25", "-1.9.0", "-0.2.25"]), "tokio 0.2.25");
        assert_eq!(of(&["-1.9.0", "-1.10.0", "-0.2.25"]), "tokio 1.10.0");
        assert_eq!(of(&["", "-1.9.0", ""]), "tokio");
        assert_eq!(of(&["", "-1.9.0"]), "tokio 1.9.0");
    }

    #[test]
    fn nginx_is_known_by_the_text_of_its_version() {
        let of = |text: &[u8]| told(Built::new().constants(text));
        for end in ["\n", " (Debian)\n", "\0"] {
            assert_eq!(of(&nginx(&format!("1.22.1{end}"))), "nginx 1.22.1");
        }
        let long = format!("1.22.1-{}\n", "a".repeat(LONGEST_VERSION));
        for other in ["1.22.1", "1.22.1x\n", "1.22\n", "1.22.1;\n", &long] {
            assert_eq!(of(&nginx(other)), "unknown", "{other:?}");
        }
        assert_eq!(of(b"Server: nginx/1.22.1\r\n\0"), "unknown");
    }

    #[test]
    fn libuv_is_known_by_its_symbol_and_a_second_sign() {
        let linked = |names: &[u8]| told(Built::new().constants(b"").names(names));
        assert_eq!(linked(b"\0libuv.so.1\0libc.so.6\0uv_run\0"), "libuv");
        let within = |text: &[u8]| told(Built::new().constants(text).names(b"\0read\0uv_run\0"));
        assert_eq!(within(UV_HANDLE), "libuv");
        // As Bun has it.
        assert_eq!(within(b"unsupported uv function: uv_run"), "unknown");
        assert_eq!(linked(b"\0libuv.so.1\0my_uv_run\0uv_run_all\0"), "unknown");
        assert_eq!(told(Built::new().constants(UV_HANDLE)), "unknown");
    }

    #[test]
    fn the_first_of_several_is_told() {
        let all = [&*tokios(&["-1.54.1"]), &nginx("1.22.1\n"), UV_HANDLE].concat();
        let uv = b"\0uv_run\0";
        let built = go_inlined("go1.27.3").names(uv).constants(&all);
        assert_eq!(told(built), "Go 1.27.3");
        assert_eq!(told(Built::new().names(uv).constants(&all)), "tokio 1.54.1");
        let without = &all[tokios(&["-1.54.1"]).len()..];
        assert_eq!(
            told(Built::new().names(uv).constants(without)),
            "nginx 1.22.1"
        );
        assert_eq!(told(Built::new().names(uv).constants(UV_HANDLE)), "libuv");
    }

    #[test]
    fn what_lies_across_two_windows_is_found_once() {
        let text = [&*tokios(&["-1.54.1"]), &*tokios(&["-1.53.0", "-1.53.0"])].concat();
        // All of it before the first border, around it in many ways, and behind.
        for start in ((1 << 20) - 1200..(1 << 20) + 100).step_by(61) {
            let mut constants = vec![b' '; start];
            constants.extend_from_slice(&text);
            constants.resize((2 << 20) + 5, b' ');
            let bytes = Built::new().constants(&constants).done(true);
            let file = tempfile::tempfile().expect("a file");
            file.write_all_at(&bytes, 0).expect("write");
            let mut image = Image::open(file, BUDGET).expect("an executable");
            let mut found = Constants::of(&mut image).tokios;
            found.sort();
            let expected = [("1.53.0".to_owned(), 2), ("1.54.1".to_owned(), 1)];
            assert_eq!(found, expected, "{start}");
        }
    }

    #[test]
    fn no_more_is_read_than_may_be() {
        let mut constants = vec![b' '; 2 << 20];
        constants.extend_from_slice(&tokios(&["-1.54.1"]));
        let bytes = Built::new().constants(&constants).done(true);
        let of = |budget: u64| {
            let file = tempfile::tempfile().expect("a file");
            file.write_all_at(&bytes, 0).expect("write");
            of_file(file, budget).to_string()
        };
        assert_eq!(of(3 << 20), "tokio 1.54.1");
        for budget in [2 << 20, 1 << 20, HEADER as u64 + 2 * 56, HEADER as u64, 0] {
            assert_eq!(of(budget), "unknown", "{budget}");
        }
    }

    #[test]
    fn a_part_that_is_longer_than_the_file_ends_with_it() {
        let mut bytes = Built::new().constants(&tokios(&["-1.54.1"])).done(true);
        let headers = u64::from_le_bytes(*bytes[40..].first_chunk().expect("an offset"));
        let size_of_section = usize::try_from(headers).expect("a place") + 64 + 32;
        put(&mut bytes, size_of_section, &u64::MAX.to_le_bytes());
        assert_eq!(of_bytes(&bytes).to_string(), "tokio 1.54.1");
    }

    #[test]
    fn what_is_no_executable_of_64_bits_is_unknown() {
        assert_eq!(of_bytes(b""), Runtime::default());
        assert_eq!(of_bytes(b"#!/bin/sh\n"), Runtime::default());
        let bytes = go_inlined("go1.27.3").done(true);
        for (at, other) in [(0, 0), (4, 1), (5, 2), (6, 9)] {
            let mut bytes = bytes.clone();
            bytes[at] = other;
            assert_eq!(of_bytes(&bytes), Runtime::default(), "{at}");
        }
    }

    fn samples() -> Vec<Vec<u8>> {
        let constants = [&*tokios(&["-1.54.1", "-0.2.25", ""]), &nginx("1.22.1\n")].concat();
        let built = || {
            [
                go_inlined("go1.27.3"),
                go_pointed("go1.17.13"),
                Built::new().names(b"\0uv_run\0").constants(&constants),
                Built::new().constants(UV_HANDLE).names(b"\0uv_run\0"),
            ]
        };
        let with = built().map(|built| built.done(true));
        let without = built().map(|built| built.done(false));
        with.into_iter().chain(without).collect()
    }

    /// Whatever it is, its version can be shown.
    fn assert_plain(runtime: &Runtime) {
        let names = ["", "go", "tokio", "nginx", "libuv"];
        assert!(names.contains(&runtime.name));
        assert!(runtime.version.is_empty() || version(runtime.version.as_bytes()).is_some());
        assert!(!runtime.name.is_empty() || runtime.version.is_empty());
    }

    #[test]
    fn an_executable_that_ends_too_early_does_no_harm() {
        for bytes in samples() {
            for end in 0..bytes.len() {
                assert_plain(&of_bytes(&bytes[..end]));
            }
        }
    }

    /// The numbers of the tables are what a reader goes by.
    #[test]
    fn a_table_that_lies_does_no_harm() {
        for bytes in samples() {
            let tables = (0..HEADER + 2 * 56).chain(bytes.len().saturating_sub(512)..bytes.len());
            for at in tables {
                for byte in [0, 1, 0x7f, 0xff] {
                    let mut bytes = bytes.clone();
                    bytes[at] = byte;
                    assert_plain(&of_bytes(&bytes));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_executable_does_no_harm(
            sample in any::<Index>(),
            changes in prop::collection::vec((any::<Index>(), any::<[u8; 8]>(), 1..=8_usize), 1..12),
        ) {
            let samples = samples();
            let mut bytes = sample.get(&samples).clone();
            for (at, change, size) in changes {
                let at = at.index(bytes.len());
                let size = size.min(bytes.len() - at);
                put(&mut bytes, at, &change[..size]);
            }
            assert_plain(&of_bytes(&bytes));
        }
    }
}
