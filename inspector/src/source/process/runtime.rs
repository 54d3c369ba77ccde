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

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;

use memchr::memmem;

use super::image::{Image, LARGEST_READ, MARGIN, Part, Window};
use super::memory::{Memory, word};

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

/// The same, of an executable.
pub(super) fn of_file(file: File, budget: u64) -> Runtime {
    let Some(image) = Image::open(file, budget) else {
        return Runtime::default();
    };
    let runtime = |name, version: Option<String>| Runtime {
        name,
        version: version.unwrap_or_default(),
    };
    if let Some(version) = go(&image) {
        return runtime("go", version);
    }
    let constants = Constants::of(&image);
    if let Some(version) = constants.tokio() {
        return runtime(TOKIO, version);
    }
    if let Some(version) = constants.nginx {
        return runtime("nginx", Some(version));
    }
    match has_libuv(&image, constants.has_uv_handle) {
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
fn go(image: &Image) -> Option<Option<String>> {
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
fn go_build(image: &Image, part: Part) -> Option<Option<String>> {
    let header = image.read_part(part, GO_HEADER)?;
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
fn go_inline(image: &Image, part: Part) -> Option<Vec<u8>> {
    let rest = Part {
        offset: part.offset.checked_add(GO_HEADER as u64)?,
        size: part.size.checked_sub(GO_HEADER as u64)?,
    };
    // As long as it may be, its length takes two bytes.
    let (size, before) = match *image.read_part(rest, 2)? {
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
    image.read_part(text, usize::try_from(size).ok()?)
}

/// Reads the version to which the header points: to a string, which is an address and a length.
///
/// In an executable that is moved to where it runs, the addresses may be there only after that, and
/// then there is no version.
fn go_string(image: &Image, header: &[u8]) -> Option<Vec<u8>> {
    let string = image.bytes(word(header, 16)?, 16)?;
    let (address, size) = (word(&string, 0)?, word(&string, 8)?);
    if size > LONGEST_GO {
        return None;
    }
    image.bytes(address, usize::try_from(size).ok()?)
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
    fn of(image: &Image) -> Self {
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
fn has_libuv(image: &Image, has_handle: bool) -> bool {
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
