//! A recording that can be read: its blocks in their order, how far it reaches, and what of it is
//! missing.

use std::fs::File;
use std::io;
use std::path::Path;

use netpoller_proto::recording::{Content, MAGIC};
use netpoller_proto::v1::entry::Told;

use super::block::{Block, Bytes, Gap, scan};
use super::entries;
use crate::failure::Failure;
use crate::foreign;

/// What a process told.
#[derive(Debug)]
pub(crate) struct Past {
    bytes: Box<dyn Bytes>,
    blocks: Vec<Block>,
    pub(super) begins_at_ns: u64,
    pub(super) ends_at_ns: u64,
    /// Why it ends there; empty if it was cut.
    pub(super) ended: String,
    /// What of it cannot be read, in words.
    pub(super) missing: Vec<String>,
}

impl Past {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let name = foreign::visible(&path.display().to_string()).into_owned();
        let refused = |why: &str| {
            Failure::Runtime(format!(
                "{name} is no recording that can be read: {why}\n`netpoller record -o FILE` makes one"
            ))
        };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Failure::NotFound(format!(
                    "there is no file {name}; `netpoller record -o {name}` makes one"
                )));
            }
            Err(error) => return Err(Failure::Runtime(format!("opening {name}: {error}"))),
        };
        match file.metadata() {
            Ok(metadata) if !metadata.is_file() => return Err(refused("it is no file")),
            Ok(_) => {}
            Err(error) => return Err(Failure::Runtime(format!("opening {name}: {error}"))),
        }
        Self::of(Box::new(file)).map_err(|why| refused(&why))
    }

    /// The same of bytes; an error says what is the matter with them.
    pub(super) fn of(bytes: Box<dyn Bytes>) -> Result<Self, String> {
        let failed = |error: io::Error| format!("reading it: {error}");
        let size = bytes.size().map_err(failed)?;
        let mut magic = [0; MAGIC.len()];
        if size >= MAGIC.len() as u64 {
            bytes.read(0, &mut magic).map_err(failed)?;
        }
        let (kind, version) = MAGIC.split_at(MAGIC.len() - 1);
        if !magic.starts_with(kind) {
            return Err("it begins with something else".to_owned());
        }
        if !magic.ends_with(version) {
            return Err(format!(
                "its version is {}, and this command reads version {}: install a newer one",
                magic[MAGIC.len() - 1],
                version[0]
            ));
        }
        let (blocks, gaps) = scan(&*bytes).map_err(failed)?;
        let mut past = Self {
            bytes,
            blocks,
            begins_at_ns: 0,
            ends_at_ns: 0,
            ended: String::new(),
            missing: Vec::new(),
        };
        past.begins_at_ns = past.first_table().ok_or("nowhere in it is a whole table")?;
        let last = past.blocks.iter().map(|block| block.head.last_ns).max();
        past.ends_at_ns = last.unwrap_or(0).max(past.begins_at_ns);
        if let Some(entries) = past.blocks.last().and_then(|block| past.entries(block)) {
            let ended = entries.into_iter().rev().find_map(|told| match told {
                Told::Ended(ended) => Some(ended.why),
                _ => None,
            });
            past.ended = ended.unwrap_or_default();
        }
        past.missing = past.told_of(&gaps);
        Ok(past)
    }

    /// The blocks, from this one on.
    pub(super) fn blocks(&self, from: usize) -> &[Block] {
        self.blocks.get(from..).unwrap_or_default()
    }

    /// What a block holds; `None` if it is not what a recording holds.
    pub(super) fn entries(&self, block: &Block) -> Option<Vec<Told>> {
        entries::all(&block.content(&*self.bytes).ok()?)
    }

    /// The last block before another one that begins with all that was known.
    pub(super) fn keyframe_before(&self, block: usize) -> Option<usize> {
        let blocks = self.blocks.get(..block)?;
        blocks
            .iter()
            .rposition(|it| it.head.of == Content::Keyframe)
    }

    /// The last block at or before this moment that begins with all that was known; the first of
    /// them, if there is none.
    pub(super) fn keyframe(&self, at_ns: u64) -> Option<usize> {
        let keyframes = self
            .blocks
            .iter()
            .enumerate()
            .filter(|(_, it)| it.head.of == Content::Keyframe);
        let mut first = None;
        let mut last = None;
        for (number, block) in keyframes {
            first.get_or_insert(number);
            if block.head.first_ns <= at_ns {
                last = Some(number);
            }
        }
        last.or(first)
    }

    /// The first moment at which all of the table is known.
    fn first_table(&self) -> Option<u64> {
        let mut is_known = false;
        for block in &self.blocks {
            is_known = block.head.of == Content::Keyframe || (is_known && !block.behind_gap);
            if !is_known || block.head.of == Content::Events {
                continue;
            }
            let Some(entries) = self.entries(block) else {
                is_known = false;
                continue;
            };
            for told in entries {
                match told {
                    Told::Frame(frame) if frame.end => return Some(frame.captured_at_ns),
                    _ => {}
                }
            }
        }
        None
    }

    fn told_of(&self, gaps: &[Gap]) -> Vec<String> {
        let mut all = Vec::new();
        for gap in gaps.iter().filter(|gap| !gap.is_end) {
            all.push(format!(
                "{} bytes from byte {} on are damaged; between there and the next whole table, at most a minute \
                 later, it stands still",
                gap.bytes, gap.at
            ));
        }
        match gaps.last().filter(|gap| gap.is_end) {
            Some(gap) => all.push(format!(
                "it was cut or damaged: the last {} bytes, from byte {} on, cannot be read",
                gap.bytes, gap.at
            )),
            None if self.ended.is_empty() => {
                all.push(
                    "it has no end: it is being recorded, or was cut, or whoever recorded it was killed"
                        .to_owned(),
                );
            }
            None => {}
        }
        all
    }
}
