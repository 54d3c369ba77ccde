//! Reading a file that holds a secret, and only if it was one.
//!
//! What is checked is the file that was opened, not the path: between a look at a path and its
//! opening, somebody could put another file there. A symbolic link is followed, for that is how
//! secrets are mounted into containers.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use netpoller_core::internals::effective_uid;

use crate::error::{SecretProblem, StartError};

/// Far more than a token, or a key with its certificates, has.
const MAX_BYTES: u64 = 1 << 20;

/// Bits of the mode that a secret may not have.
pub(super) const PRIVATE: u32 = 0o077;
/// For keys, which are often shared with a group of services, as /etc/ssl/private is.
#[cfg(feature = "tls")]
pub(super) const SHARED_WITH_GROUP: u32 = 0o037;

/// The bytes of the secret at `path`, whose mode has none of the bits `forbidden`.
pub(super) fn read(path: &Path, forbidden: u32) -> Result<Vec<u8>, StartError> {
    let problem = |problem| StartError::Secret {
        path: path.to_owned(),
        problem,
    };
    // A pipe without a writer would keep us for ever, had we not said that we do not wait.
    let file: File = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(StartError::io(format!("open {}", path.display())))?;
    let metadata = file
        .metadata()
        .map_err(StartError::io(format!("look at {}", path.display())))?;
    if !metadata.is_file() {
        return Err(problem(SecretProblem::NotAFile));
    }
    let uid = metadata.uid();
    if uid != effective_uid() && uid != 0 {
        return Err(problem(SecretProblem::ForeignOwner { uid }));
    }
    let mode = metadata.mode() & 0o777;
    if mode & forbidden != 0 {
        return Err(problem(SecretProblem::Open { mode }));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(StartError::io(format!("read {}", path.display())))?;
    Ok(bytes)
}
