//! Debug information in a file of its own, as those keep it who ship programs without.
//!
//! Where it is, is as gdb(1) looks for it ("Debugging Information in Separate Files"): by the build
//! ID of the executable, below `/usr/lib/debug/.build-id`; or by the name that its section
//! `.gnu_debuglink` has, beside it, in `.debug` there, or below `/usr/lib/debug`. Both among the
//! files of the process, which may have a root of its own, and then among ours. It is taken if its
//! build ID is the same, or, where the executable has none, its checksum.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::image::{Image, LARGEST_PIECE, LARGEST_READ};

const BUILD_ID: &str = ".note.gnu.build-id";
const LINK: &str = ".gnu_debuglink";
const FOLDER: &str = "usr/lib/debug";
/// The largest file whose checksum is taken.
const LARGEST_CHECKED: u64 = 1 << 30;
/// Bytes of a build ID: of a hash, or of a number that somebody has made up.
const BUILD_IDS: std::ops::RangeInclusive<usize> = 2..=64;
/// The end of the link of an executable whose file is gone.
const DELETED: &str = " (deleted)";

/// Returns the file that has the debug information of a process, whose executable this is; `None`
/// if the executable has it itself, or there is no such file.
pub(super) fn find(pid: u32, executable: &Image) -> Option<Image> {
    if executable.has_debug_info() {
        return None;
    }
    let id = build_id(executable);
    let link = link(executable);
    let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let is_there = !path.to_string_lossy().ends_with(DELETED);
    let path = path.strip_prefix("/").ok().filter(|_| is_there);
    let name = link.as_ref().map(|(name, _)| name.as_str());
    let names = candidates(id.as_deref(), name, path.and_then(Path::parent));
    let roots = [PathBuf::from(format!("/proc/{pid}/root")), "/".into()];
    let mut paths = roots
        .iter()
        .flat_map(|root| names.iter().map(move |it| root.join(it)));
    paths.find_map(|path| {
        let image = Image::open(open(&path)?, LARGEST_READ)?;
        let is_it = match (&id, &link) {
            (Some(id), _) => build_id(&image).as_ref() == Some(id),
            (None, Some((_, sum))) => image.checksum(LARGEST_CHECKED) == Some(*sum),
            (None, None) => false,
        };
        (is_it && image.has_debug_info()).then_some(image)
    })
}

/// Where it may be, below a root.
fn candidates(id: Option<&str>, name: Option<&str>, folder: Option<&Path>) -> Vec<PathBuf> {
    let debug = Path::new(FOLDER);
    let of_id = id
        .and_then(|id| id.split_at_checked(2))
        .map(|(first, rest)| {
            let name = format!("{rest}.debug");
            debug.join(".build-id").join(first).join(name)
        });
    let of_name = name.zip(folder).map(|(name, folder)| {
        [
            folder.join(name),
            folder.join(".debug").join(name),
            debug.join(folder).join(name),
        ]
    });
    of_id
        .into_iter()
        .chain(of_name.into_iter().flatten())
        .collect()
}

/// Opens a file, and nothing that only looks like one: that would wait, or do something.
fn open(path: &Path) -> Option<File> {
    let is_file = |it: std::io::Result<fs::Metadata>| it.is_ok_and(|it| it.is_file());
    if !is_file(fs::metadata(path)) {
        return None;
    }
    let mut options = OpenOptions::new();
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.read(true).open(path).ok()?;
    is_file(file.metadata()).then_some(file)
}

/// Returns the build ID, in hexadecimal.
fn build_id(image: &Image) -> Option<String> {
    let note = image.read_part(image.section(BUILD_ID)?, LARGEST_PIECE)?;
    let size = |at: usize| -> Option<usize> {
        let bytes = note.get(at..)?.first_chunk()?;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    };
    // The sizes of its name and of what it says, which kind it is, and the name: "GNU".
    let (name, said) = (size(0)?, size(4)?);
    let start = name.checked_next_multiple_of(4)?.checked_add(12)?;
    let id = note.get(start..start.checked_add(said)?)?;
    let is_one = note.get(12..16) == Some(b"GNU\0") && BUILD_IDS.contains(&id.len());
    is_one.then(|| id.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Returns the name of the other file, and its checksum.
fn link(image: &Image) -> Option<(String, u32)> {
    let bytes = image.debug_section(LINK, LARGEST_PIECE)?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let name = str::from_utf8(bytes.get(..end)?).ok()?;
    let at = (end + 1).checked_next_multiple_of(4)?;
    let sum = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
    // It is a name, and no path to elsewhere.
    let is_name = !matches!(name, "" | "." | "..") && !name.contains('/');
    is_name.then(|| (name.to_owned(), sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_for_where_gdb_looks_for_it() {
        let folder = Some(Path::new("opt/app"));
        let all = candidates(Some("c34ebb"), Some("shop.debug"), folder);
        let all: Vec<_> = all.iter().filter_map(|it| it.to_str()).collect();
        assert_eq!(
            all,
            [
                "usr/lib/debug/.build-id/c3/4ebb.debug",
                "opt/app/shop.debug",
                "opt/app/.debug/shop.debug",
                "usr/lib/debug/opt/app/shop.debug",
            ]
        );
        assert_eq!(
            candidates(None, Some("shop.debug"), None),
            [""; 0].map(PathBuf::from)
        );
        assert_eq!(
            candidates(Some("c"), None, folder),
            [""; 0].map(PathBuf::from)
        );
    }

    #[test]
    fn what_is_no_file_is_not_opened() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(open(directory.path()).is_none());
        let pipe = directory.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, mode).expect("a pipe");
        assert!(open(&pipe).is_none());
        assert!(open(Path::new("/dev/null")).is_none());
    }
}
