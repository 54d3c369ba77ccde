//! The socket file: whose it is, who may use it, and what may be removed.
//!
//! The mode is given to the socket before it has a name: fchmod(2) on a socket that is not bound
//! sets the mode of the file that bind(2) makes. So there is no moment in which the file is open to
//! others, whatever the umask, and nothing is ever changed by its path, which somebody could have
//! made to lead elsewhere. The user id of whoever connects is checked all the same.

use std::fs::{self, DirBuilder, File, Metadata, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use netpoller_core::internals::{self, effective_uid, is_gone, listening_pid};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::error::{DirectoryProblem, StartError};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// A socket that refuses is asked again after so long: it may be between bind(2) and listen(2).
const SECOND_LOOK: Duration = Duration::from_millis(10);

/// What a socket is for. Sockets of different purposes have different names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    Inspect,
    Control,
}

/// Which file it is. Numbers of inodes are recycled at once, therefore its birth too, where the
/// file system knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Identity {
    device: u64,
    inode: u64,
    born: Option<SystemTime>,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            born: metadata.created().ok(),
        }
    }
}

/// A bound socket. The file is removed with it, unless another has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// The file that was made.
    file: Identity,
    /// A child that was forked has a copy of this, and must leave the file to its parent.
    pid: u32,
}

impl SocketFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Binds at the place where the inspector looks.
    pub(crate) fn bind_default(purpose: Purpose) -> Result<(Self, UnixListener), StartError> {
        let directory = default_directory();
        make_private(&directory)?;
        check_private(&directory)?;
        let suffix = match purpose {
            Purpose::Inspect => "sock",
            Purpose::Control => "control.sock",
        };
        let (pid, start) = (std::process::id(), internals::start_ticks());
        let name = format!("{pid}-{start}.{suffix}");
        Self::bind_checked(directory.join(name))
    }

    /// Binds at `path`. Its directory is made if it is not there.
    pub(crate) fn bind(path: &Path) -> Result<(Self, UnixListener), StartError> {
        let first = path.as_os_str().as_encoded_bytes().first();
        if matches!(first, None | Some(b'@' | 0)) {
            return Err(StartError::Abstract {
                path: path.to_owned(),
            });
        }
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let directory = parent.unwrap_or(Path::new("."));
        if fs::symlink_metadata(directory)
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        {
            make_private(directory)?;
        }
        check_chosen(directory)?;
        Self::bind_checked(path.to_owned())
    }

    fn bind_checked(path: PathBuf) -> Result<(Self, UnixListener), StartError> {
        // From the look at what lies at the path until the socket there listens.
        let _binding = internals::binding();
        remove_stale(&path)?;
        let shown = path.display();
        let address = SockAddr::unix(&path).map_err(StartError::io(format!(
            "use {shown} as a socket: its path must be shorter than 108 bytes; name a shorter one"
        )))?;
        let socket = private_socket().map_err(StartError::io("make a socket"))?;
        socket
            .bind(&address)
            .map_err(|source| match source.kind() {
                io::ErrorKind::AddrInUse => StartError::InUse { path: path.clone() },
                _ => StartError::io(format!("bind the socket {shown}"))(source),
            })?;
        // At once: until it listens, it looks as if it were stale.
        let listening = socket
            .listen(BACKLOG)
            .and_then(|()| socket.set_nonblocking(true));
        let failed = StartError::io(format!("listen on {shown}"));
        let file = Self::adopt(path)?;
        listening.map_err(failed)?;
        Ok((file, OwnedFd::from(socket).into()))
    }

    /// Takes charge of the socket that was just bound at `path`, and checks it. If it is ours but
    /// not private, it is removed; if something else has taken its place, that is left alone.
    pub(crate) fn adopt(path: PathBuf) -> Result<Self, StartError> {
        let metadata = look(&path)?;
        if !metadata.file_type().is_socket() {
            return Err(StartError::NotASocket { path });
        }
        let uid = metadata.uid();
        if uid != effective_uid() {
            return Err(StartError::ForeignSocket { path, uid });
        }
        let file = Self {
            file: Identity::of(&metadata),
            pid: std::process::id(),
            path,
        };
        match metadata.mode() & 0o7777 {
            // The umask may take away even more.
            mode if mode & !0o600 == 0 => Ok(file),
            mode => Err(StartError::io(format!(
                "make the socket {} private",
                file.path.display()
            ))(io::Error::other(format!(
                "its file system gave it the mode {mode:03o} and not 600; name a path on another one"
            )))),
        }
    }
}

/// A socket whose file will have the mode 0600.
fn private_socket() -> io::Result<Socket> {
    let socket = File::from(OwnedFd::from(Socket::new(
        Domain::UNIX,
        Type::STREAM,
        None,
    )?));
    // fchmod(2).
    socket.set_permissions(Permissions::from_mode(0o600))?;
    Ok(OwnedFd::from(socket).into())
}

fn look(path: &Path) -> Result<Metadata, StartError> {
    fs::symlink_metadata(path).map_err(StartError::io(format!("look at {}", path.display())))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |metadata: Metadata| Identity::of(&metadata) == self.file;
        if self.pid == std::process::id() && fs::symlink_metadata(&self.path).is_ok_and(ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// `$XDG_RUNTIME_DIR/netpoller` if that directory is the user's, else `/tmp/netpoller-<uid>`. The
/// variable is inherited by `su`, and then names the directory of somebody else.
fn default_directory() -> PathBuf {
    let uid = effective_uid();
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let usable = |path: &PathBuf| {
        path.is_absolute()
            && fs::metadata(path).is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == uid)
    };
    match runtime.filter(usable) {
        Some(path) => path.join("netpoller"),
        None => PathBuf::from(format!("/tmp/netpoller-{uid}")),
    }
}

fn make_private(directory: &Path) -> Result<(), StartError> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(StartError::io(format!(
            "make the directory {}",
            directory.display()
        ))(error)),
        _ => Ok(()),
    }
}

fn problem(directory: &Path, problem: DirectoryProblem) -> StartError {
    StartError::Directory {
        path: directory.to_owned(),
        problem,
    }
}

/// It is a directory itself, and not a link that somebody could turn elsewhere.
fn look_at_directory(directory: &Path) -> Result<Metadata, StartError> {
    let metadata = look(directory)?;
    if metadata.is_symlink() {
        return Err(problem(directory, DirectoryProblem::SymbolicLink));
    }
    if !metadata.is_dir() {
        return Err(problem(directory, DirectoryProblem::NotADirectory));
    }
    Ok(metadata)
}

/// The directory that we make: it is ours, and nobody else may even enter it.
fn check_private(directory: &Path) -> Result<(), StartError> {
    let metadata = look_at_directory(directory)?;
    let uid = metadata.uid();
    if uid != effective_uid() {
        return Err(problem(directory, DirectoryProblem::ForeignOwner { uid }));
    }
    match metadata.mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(problem(directory, DirectoryProblem::Open { mode })),
        _ => Ok(()),
    }
}

/// A directory that the user has chosen: only that user and root can replace what is put there.
/// The owner of a directory can, even if it is sticky.
fn check_chosen(directory: &Path) -> Result<(), StartError> {
    let metadata = look_at_directory(directory)?;
    let uid = metadata.uid();
    if uid != effective_uid() && uid != 0 {
        return Err(problem(directory, DirectoryProblem::ForeignOwner { uid }));
    }
    let mode = metadata.mode();
    let sticky = mode & 0o1000 != 0;
    if mode & 0o022 != 0 && !sticky {
        let mode = mode & 0o777;
        return Err(problem(directory, DirectoryProblem::Open { mode }));
    }
    Ok(())
}

/// Removes a socket that nobody serves any more. Anything else is left alone.
///
/// That is one that refuses connections, and one that takes them and whose process is gone: a child
/// that it had forked keeps the socket open, but threads are not forked, so nobody there serves it.
///
/// Another process may do the same at the same time, and then bind. What is removed must therefore
/// be the very file that nobody served, twice.
fn remove_stale(path: &Path) -> Result<(), StartError> {
    let Some(file) = refusing(path)? else {
        return Ok(());
    };
    std::thread::sleep(SECOND_LOOK);
    match refusing(path)? {
        None => Ok(()),
        Some(again) if again == file => remove(path, file),
        Some(_) => Err(in_use(path)),
    }
}

/// The socket at `path` if nobody serves it, `None` if nothing is there, and an error if it must
/// stay.
fn refusing(path: &Path) -> Result<Option<Identity>, StartError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StartError::io(format!("look at {}", path.display()))(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(StartError::NotASocket {
            path: path.to_owned(),
        });
    }
    if metadata.uid() != effective_uid() {
        return Err(StartError::ForeignSocket {
            path: path.to_owned(),
            uid: metadata.uid(),
        });
    }
    match probe(path).map_err(|error| error.kind()) {
        Ok(Served::ByNobody) | Err(io::ErrorKind::ConnectionRefused) => {
            Ok(Some(Identity::of(&metadata)))
        }
        Err(io::ErrorKind::NotFound) => Ok(None),
        // It answers, or it is too busy to (EAGAIN: as many wait as it has room for), or it is of
        // another type.
        _ => Err(in_use(path)),
    }
}

/// Who takes the connections of a socket that is open.
enum Served {
    Perhaps,
    /// The process that listened is gone, and whoever has the socket still was forked from it.
    ByNobody,
}

/// Connects, and waits for nothing: whoever listens may be stopped.
fn probe(path: &Path) -> io::Result<Served> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(match listening_pid(socket.as_fd())? {
        Some(pid) if is_gone(pid) => Served::ByNobody,
        _ => Served::Perhaps,
    })
}

/// Removes `file`, if it is what lies at `path` still. There is no call that does both in one.
fn remove(path: &Path, file: Identity) -> Result<(), StartError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if Identity::of(&metadata) == file => fs::remove_file(path),
        Ok(_) => return Err(in_use(path)),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StartError::io(format!(
            "remove the stale socket {}",
            path.display()
        ))(error)),
        _ => Ok(()),
    }
}

fn in_use(path: &Path) -> StartError {
    StartError::InUse {
        path: path.to_owned(),
    }
}
