//! Where services put their sockets, and which of these directories can be trusted.
//!
//! A service may have been started in another session than this command, as another user, or in a
//! container, so all of its places are looked at: `$XDG_RUNTIME_DIR/netpoller` of this command and
//! of every process whose environment can be read, `/tmp/netpoller-UID`, and for root
//! `/run/user/UID/netpoller` of every user; the same within the file system of each process that
//! sees another one (a container, or systemd's PrivateTmp=).
//!
//! In /tmp anybody can make a directory with the right name, and root looks into directories of
//! users who may mean ill. So a directory counts only if it is no link, belongs to whom it should,
//! and nobody else may write to it.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::procfs::{Process, own_uid};

/// Directories to look in, in place of the usual ones, separated by colons.
const VARIABLE: &str = "NETPOLLER_SOCKETS";
/// Names read of one directory: its owner may put any number there.
const MOST_NAMES: usize = 4_096;

/// A directory that may hold sockets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) path: PathBuf,
    /// Whose it must be; `None` for whoever has it, where a name says nothing: in a container.
    owner: Option<u32>,
    /// The mount namespace of a container, whose processes name themselves otherwise.
    pub(super) mounts: Option<PathBuf>,
}

/// A socket with the name of one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Socket {
    pub(super) path: PathBuf,
    /// The process id in its name.
    pub(super) pid: u32,
    /// The start time in its name.
    pub(super) start_ticks: u64,
    /// Whose directory it is in.
    pub(super) owner: u32,
    /// Somebody else than us may put things there.
    pub(super) foreign: bool,
}

/// Where to look for the endpoints of all `processes` of which we may know.
pub(super) fn places(processes: &[Process]) -> Vec<Place> {
    if let Some(paths) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        return std::env::split_paths(&paths)
            .map(|path| Place::new(path, own_uid().filter(|uid| *uid != 0)))
            .collect();
    }
    let own = own_uid();
    let mut all = own_places(own);
    if own == Some(0) {
        all.extend(shared(Path::new("/"), Some));
    }
    for process in processes {
        if let Some(runtime) = &process.runtime_dir {
            all.push(Place::new(runtime.join("netpoller"), Some(process.uid)));
        }
    }
    let mut roots = HashSet::new();
    for process in processes {
        let Some(root) = process.other_root() else {
            continue;
        };
        let inside = |place: Place| Place {
            mounts: process.mounts.clone(),
            owner: None,
            ..place
        };
        if roots.insert(process.mounts.clone()) {
            all.extend(shared(&root, |_| None).into_iter().map(inside));
        }
        if let Some(runtime) = &process.runtime_dir {
            let runtime = runtime.strip_prefix("/").unwrap_or(runtime);
            let path = root.join(runtime).join("netpoller");
            all.push(inside(Place::new(path, None)));
        }
    }
    let mut seen = HashSet::new();
    // The same directory under another name is looked at once.
    all.retain(|place| {
        let file = fs::symlink_metadata(&place.path);
        file.is_ok_and(|file| seen.insert((file.dev(), file.ino(), place.owner)))
    });
    all
}

/// The names of the places that this command looks at first, for people.
pub(super) fn usual() -> Vec<PathBuf> {
    match std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        Some(paths) => std::env::split_paths(&paths).collect(),
        None => own_places(own_uid())
            .into_iter()
            .map(|it| it.path)
            .collect(),
    }
}

/// Users with a place of their own that we may not look into.
pub(super) fn hidden() -> Vec<u32> {
    let own = own_uid();
    let apart = std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty());
    if own == Some(0) || apart {
        return Vec::new();
    }
    let mut users: Vec<u32> = shared(Path::new("/"), Some)
        .into_iter()
        .filter_map(|place| place.owner)
        .filter(|uid| Some(*uid) != own)
        .collect();
    users.sort_unstable();
    users.dedup();
    users
}

fn own_places(own: Option<u32>) -> Vec<Place> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty());
    let runtime = runtime.map(|path| PathBuf::from(path).join("netpoller"));
    let temporary = own.map(|uid| PathBuf::from(format!("/tmp/netpoller-{uid}")));
    let all = runtime.into_iter().chain(temporary);
    all.map(|path| Place::new(path, own)).collect()
}

/// `/tmp/netpoller-UID` and `/run/user/UID/netpoller` of every user, within a root.
fn shared(root: &Path, owner: fn(u32) -> Option<u32>) -> Vec<Place> {
    let named = |directory: &str, prefix: &'static str| {
        let entries = fs::read_dir(root.join(directory)).into_iter().flatten();
        entries
            .flatten()
            .filter_map(move |entry| {
                let name = entry.file_name();
                let uid = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
                Some((entry.path(), uid))
            })
            .collect::<Vec<(PathBuf, u32)>>()
    };
    let temporary = named("tmp", "netpoller-").into_iter();
    let run = named("run/user", "").into_iter();
    temporary
        .chain(run.map(|(path, uid)| (path.join("netpoller"), uid)))
        .map(|(path, uid)| Place::new(path, owner(uid)))
        .collect()
}

impl Place {
    fn new(path: PathBuf, owner: Option<u32>) -> Self {
        Self {
            path,
            owner,
            mounts: None,
        }
    }

    /// Its sockets whose names end so, taken apart. None, if the directory cannot be trusted.
    pub(super) fn sockets(&self, suffix: &str) -> Vec<Socket> {
        let Ok(directory) = fs::symlink_metadata(&self.path) else {
            return Vec::new();
        };
        let owner = directory.uid();
        let trusted = directory.is_dir()
            && self.owner.is_none_or(|it| it == owner)
            && directory.mode() & 0o022 == 0;
        if !trusted {
            return Vec::new();
        }
        let entries = fs::read_dir(&self.path).into_iter().flatten();
        entries
            .take(MOST_NAMES)
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let (pid, start_ticks) = parse_name(path.file_name()?.to_str()?, suffix)?;
                // No link either: where it leads, the owner of the directory decides.
                let file = fs::symlink_metadata(&path).ok()?;
                file.file_type().is_socket().then_some(Socket {
                    path,
                    pid,
                    start_ticks,
                    owner,
                    foreign: self.mounts.is_some() || Some(owner) != own_uid(),
                })
            })
            .collect()
    }
}

fn parse_name(name: &str, suffix: &str) -> Option<(u32, u64)> {
    let (pid, start_ticks) = name.strip_suffix(suffix)?.split_once('-')?;
    Some((pid.parse().ok()?, start_ticks.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_names_of_the_agreed_form_are_sockets_of_ours() {
        assert_eq!(parse_name("12-345.sock", ".sock"), Some((12, 345)));
        let control = "12-345.control.sock";
        assert_eq!(parse_name(control, ".control.sock"), Some((12, 345)));
        assert_eq!(parse_name(control, ".sock"), None);
        for name in [
            "12.sock",
            "12-345",
            "x-345.sock",
            "12-345.sock.tmp",
            "-.sock",
        ] {
            assert_eq!(parse_name(name, ".sock"), None, "{name}");
        }
    }

    #[test]
    fn a_directory_of_somebody_else_or_a_link_or_one_open_to_others_is_passed_over() {
        let scratch = tempfile::tempdir().unwrap();
        let (real, link) = (scratch.path().join("real"), scratch.path().join("link"));
        fs::create_dir(&real).unwrap();
        let open = |mode| fs::set_permissions(&real, fs::Permissions::from_mode(mode)).unwrap();
        open(0o700);
        let _listener = UnixListener::bind(real.join("1-2.sock")).unwrap();
        fs::write(real.join("3-4.sock"), "").unwrap();
        std::os::unix::fs::symlink("1-2.sock", real.join("5-6.sock")).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let found = |path: &Path, owner| Place::new(path.to_owned(), owner).sockets(".sock");
        let own = own_uid().unwrap();
        let [only] = &found(&real, Some(own))[..] else {
            panic!("the socket alone, no file and no link");
        };
        assert_eq!((only.pid, only.start_ticks, only.owner), (1, 2, own));
        assert_eq!(found(&real, Some(own + 1)), []);
        assert_eq!(found(&link, Some(own)), []);
        open(0o720);
        assert_eq!(found(&real, Some(own)), []);
    }
}
