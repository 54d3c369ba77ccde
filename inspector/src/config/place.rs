//! Where the configuration is, unless it is said: in the folder that the XDG base directories name.

use std::env;
use std::path::PathBuf;

/// Returns the usual place: `$XDG_CONFIG_HOME/netpoller/config.toml`, or the same in `~/.config`.
/// None, if there is neither.
pub(crate) fn usual() -> Option<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|it| it.is_absolute())
    };
    let folder = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(folder.join("netpoller/config.toml"))
}
