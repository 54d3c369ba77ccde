//! The socket file: whose it is, who may use it, and what may be removed.
//!
//! The directory is private before the socket is made in it, so it does not matter what the process's umask lets through
//! in the moment between bind(2) and chmod(2); and whoever connects is asked for his user id all the same.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use super::error::{DirectoryProblem, StartError};
use crate::sys::effective_uid;

/// A bound socket. The file is removed with it, unless another has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode of the file that was made.
    file: (u64, u64),
    /// A child that was forked has a copy of this, and must leave the file to its parent.
    pid: u32,
}

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Binds at the place where the inspector looks.
    pub(super) fn bind_default() -> Result<(Self, UnixListener), StartError> {
        let directory = default_directory();
        make_private(&directory)?;
        check_private(&directory)?;
        let name = format!("{}-{}.sock", std::process::id(), crate::sys::start_ticks());
        Self::bind_checked(directory.join(name))
    }

    /// Binds at `path`. Its directory is made if it is not there.
    pub(super) fn bind(path: &Path) -> Result<(Self, UnixListener), StartError> {
        let first = path.as_os_str().as_encoded_bytes().first();
        if matches!(first, None | Some(b'@' | 0)) {
            return Err(StartError::Abstract {
                path: path.to_owned(),
            });
        }
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let directory = parent.unwrap_or(Path::new(".")).to_owned();
        if !directory.exists() {
            make_private(&directory)?;
        }
        check_not_writable(&directory)?;
        Self::bind_checked(path.to_owned())
    }

    fn bind_checked(path: PathBuf) -> Result<(Self, UnixListener), StartError> {
        remove_stale(&path)?;
        let shown = path.display();
        let listener = UnixListener::bind(&path).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => StartError::InUse { path: path.clone() },
            io::ErrorKind::InvalidInput => StartError::Io {
                action: format!("use {shown} as a socket: its path must be shorter than 108 bytes; name a shorter one"),
                source,
            },
            _ => StartError::Io { action: format!("bind the socket {shown}"), source },
        })?;
        let protect = || -> io::Result<Metadata> {
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            fs::symlink_metadata(&path)
        };
        let metadata =
            protect().map_err(StartError::io(format!("set the permissions of {shown}")))?;
        let file = SocketFile {
            file: (metadata.dev(), metadata.ino()),
            pid: std::process::id(),
            path: path.clone(),
        };
        if !metadata.file_type().is_socket()
            || metadata.uid() != effective_uid()
            || metadata.mode() & 0o177 != 0
        {
            // Somebody has put another file there meanwhile; it is not ours to remove.
            std::mem::forget(file);
            return Err(StartError::NotASocket { path });
        }
        listener
            .set_nonblocking(true)
            .map_err(StartError::io(format!("listen on {shown}")))?;
        Ok((file, listener))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |metadata: Metadata| (metadata.dev(), metadata.ino()) == self.file;
        if self.pid == std::process::id() && fs::symlink_metadata(&self.path).is_ok_and(ours) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// `$XDG_RUNTIME_DIR/netpoller` if that directory is the user's, else `/tmp/netpoller-<uid>`. The variable is inherited by
/// `su`, and then names the directory of somebody else.
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

/// It is ours, and nobody else may even enter it.
fn check_private(directory: &Path) -> Result<(), StartError> {
    let metadata = fs::symlink_metadata(directory).map_err(StartError::io(format!(
        "look at the directory {}",
        directory.display()
    )))?;
    if !metadata.is_dir() {
        return Err(problem(directory, DirectoryProblem::NotADirectory));
    }
    if metadata.uid() != effective_uid() {
        return Err(problem(
            directory,
            DirectoryProblem::ForeignOwner {
                uid: metadata.uid(),
            },
        ));
    }
    match metadata.mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(problem(directory, DirectoryProblem::Open { mode })),
        _ => Ok(()),
    }
}

/// A directory that the user has chosen: nobody but its owner can replace what lies in it.
fn check_not_writable(directory: &Path) -> Result<(), StartError> {
    let metadata = fs::metadata(directory).map_err(StartError::io(format!(
        "look at the directory {}",
        directory.display()
    )))?;
    if !metadata.is_dir() {
        return Err(problem(directory, DirectoryProblem::NotADirectory));
    }
    let mode = metadata.mode();
    let sticky = mode & 0o1000 != 0;
    if mode & 0o022 != 0 && !sticky {
        return Err(problem(
            directory,
            DirectoryProblem::Open { mode: mode & 0o777 },
        ));
    }
    Ok(())
}

/// Removes a socket that nobody listens on any more. Anything else is left alone.
fn remove_stale(path: &Path) -> Result<(), StartError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
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
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path)
            .map_err(StartError::io(format!(
                "remove the stale socket {}",
                path.display()
            ))),
        // It answers, or it is too busy to.
        _ => Err(StartError::InUse {
            path: path.to_owned(),
        }),
    }
}
