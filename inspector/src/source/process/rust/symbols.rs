//! The names of functions, as the table of symbols has them.

use std::fmt::Write;

use object::LittleEndian;
use object::elf::{self, Sym64};
use object::pod;

use super::super::image::Image;
use super::super::units::LARGEST_SECTION;

/// Names of one function.
const MOST_NAMES: usize = 64;
/// Symbols that are looked at.
const MOST: usize = 1 << 22;
/// Bytes of one function.
const LARGEST_FUNCTION: u64 = 1 << 20;
/// Bytes of the name of one, and of what that is when it is written out.
const LONGEST: usize = 16 << 10;

/// Where functions begin, and where the names of these begin.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    functions: Vec<(u64, u32)>,
    names: Vec<u8>,
}

impl Symbols {
    pub(super) fn read(image: &Image) -> Option<Self> {
        let (table, names) = image.symbols(LARGEST_SECTION)?;
        let count = (table.len() / size_of::<Sym64<LittleEndian>>()).min(MOST);
        let (table, _) = pod::slice_from_bytes::<Sym64<LittleEndian>>(&table, count).ok()?;
        let functions = table.iter().filter(|it| it.st_type() == elf::STT_FUNC);
        let mut functions: Vec<_> = functions
            .map(|it| (it.st_value.get(LittleEndian), it.st_name.get(LittleEndian)))
            .collect();
        functions.sort_unstable();
        Some(Self { functions, names })
    }

    /// Returns the names of the functions that begin there: more than one if they are the same
    /// code, which may look the same when they were made for different types.
    pub(super) fn at(&self, address: u64) -> Vec<String> {
        let first = self.functions.partition_point(|(it, _)| *it < address);
        let these = self.functions.get(first..).unwrap_or_default().iter();
        let these = these.take_while(|(it, _)| *it == address).take(MOST_NAMES);
        let mut names: Vec<_> = these.filter_map(|(_, name)| self.name(*name)).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(written).collect()
    }

    /// Returns where the function begins in which this address is, if that is not too far.
    pub(super) fn start(&self, address: u64) -> Option<u64> {
        let next = self.functions.partition_point(|(it, _)| *it <= address);
        let (start, _) = self.functions.get(next.checked_sub(1)?)?;
        (address - start < LARGEST_FUNCTION).then_some(*start)
    }

    fn name(&self, start: u32) -> Option<&str> {
        let names = self.names.get(usize::try_from(start).ok()?..)?;
        let end = names.iter().take(LONGEST).position(|byte| *byte == 0)?;
        str::from_utf8(names.get(..end)?).ok()
    }
}

/// Writes out what a symbol stands for.
fn written(symbol: &str) -> Option<String> {
    let mut written = Written(String::new());
    write!(written, "{:#}", rustc_demangle::demangle(symbol)).ok()?;
    (!written.0.is_empty()).then_some(written.0)
}

/// A name as far as it is written out: a short symbol can stand for a name of any length.
struct Written(String);

impl Write for Written {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if self.0.len().saturating_add(text.len()) > LONGEST {
            return Err(std::fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_written_out_without_their_hashes() {
        let names = [
            "_ZN1a5tokio7runtime4task3raw4poll17h8bf9ec764d7f96b1E",
            "_RINvNtNtNtNtCs6xxl1lAjzDf_1a5tokio7runtime4task3raw4pollNCNvBa_4main0hEBa_",
            "memcpy",
        ];
        let mut symbols = Symbols::default();
        for (index, name) in names.iter().enumerate() {
            symbols
                .functions
                .push((index as u64, symbols.names.len() as u32));
            symbols.names.extend(name.as_bytes());
            symbols.names.push(0);
        }
        assert_eq!(symbols.at(0), ["a::tokio::runtime::task::raw::poll"]);
        let poll = "a::tokio::runtime::task::raw::poll::<a::main::{closure#0}, u8>";
        assert_eq!(symbols.at(1), [poll]);
        assert_eq!(symbols.at(2), ["memcpy"]);
        assert_eq!(symbols.at(3), [""; 0]);
        let starts = [0, 2, 2 + LARGEST_FUNCTION].map(|it| symbols.start(it));
        assert_eq!(starts, [Some(0), Some(2), None]);
    }
}
