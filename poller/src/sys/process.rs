//! Who this process is.

/// The user that the kernel checks permissions for.
pub(crate) fn effective_uid() -> u32 {
    // SAFETY: no arguments; cannot fail.
    unsafe { libc::geteuid() }
}

/// When the process started, in clock ticks since boot: field 22 of /proc/self/stat. With the process id it names one
/// process life. 0 where /proc cannot be read.
pub(crate) fn start_ticks() -> u64 {
    std::fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| parse_start_ticks(&stat))
        .unwrap_or_default()
}

fn parse_start_ticks(stat: &str) -> Option<u64> {
    // The name in field 2 is in parentheses and may contain both blanks and parentheses.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_a_name_with_parentheses() {
        let stat = "42 (a) (b c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 123456 1000 10 18446744073709551615";
        assert_eq!(parse_start_ticks(stat), Some(123_456));
        assert!(start_ticks() > 0);
    }
}
