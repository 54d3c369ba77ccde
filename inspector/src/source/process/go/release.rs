//! The layout of a release of Go, for programs that tell nothing themselves.

use super::layout::Layout;
use super::layouts::LAYOUTS;

/// Such as 1.27.3.
pub(super) type Release = (u32, u32, u32);

impl Layout {
    /// Returns that of a release like "1.27.3", if it is known: that of the latest one up to it
    /// with the same first two numbers that the table has, or of the earliest one.
    pub(super) fn of(release: &str) -> Option<&'static Self> {
        let (major, minor, patch) = parse(release)?;
        let of_it =
            |((first, second, _), _): &&(Release, Self)| (*first, *second) == (major, minor);
        let mut layouts = LAYOUTS.iter().filter(of_it).peekable();
        let earliest = layouts.peek().copied();
        let (_, layout) = layouts
            .take_while(|((.., known), _)| *known <= patch)
            .last()
            .or(earliest)?;
        Some(layout)
    }
}

/// Reads the numbers of a release; `None` for what is none, such as "1.28rc1", whose layout may not
/// be that of any release.
fn parse(release: &str) -> Option<Release> {
    // Whoever builds Go appends words, such as "1.27.3 X:boringcrypto".
    let numbers = release.split([' ', '-']).next()?;
    let mut numbers = numbers.split('.');
    let mut number = || numbers.next().map(|number| number.parse().ok());
    let (major, minor, patch) = (number()??, number()??, number().unwrap_or(Some(0))?);
    Some((major, minor, patch))
}

#[cfg(test)]
mod tests;
