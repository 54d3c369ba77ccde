//! By which names a server without TLS may be called.
//!
//! A page from anywhere can have its own name resolve to our address (DNS rebinding), and then read
//! what we answer. Its browser calls us by that name. A number cannot be made to mean another
//! machine, so all numbers are ours.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a request carries a name, and all that it carries are ours: numbers, `localhost` and
/// those of `hosts`.
pub fn name_us<'n>(named: impl Iterator<Item = &'n str>, hosts: &[String]) -> bool {
    let mut count = 0;
    named
        .inspect(|_| count += 1)
        .all(|name| is_ours(name, hosts))
        && count > 0
}

fn is_ours(authority: &str, hosts: &[String]) -> bool {
    // Whatever is in front of an `@` is not the host, and no client of ours sends it.
    let host = host_of(authority);
    let bracketed = |host: &str| {
        let host = host.strip_prefix('[')?.strip_suffix(']')?;
        host.parse::<Ipv6Addr>().ok()
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<Ipv4Addr>().is_ok()
        || bracketed(host).is_some()
        || hosts.iter().any(|ours| ours.eq_ignore_ascii_case(host))
}

/// `host:port` without the port. An IPv6 address is in brackets and keeps them.
fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port))
            if port.bytes().all(|b| b.is_ascii_digit())
                && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}
