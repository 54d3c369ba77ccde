//! Which fields of the messages hold text, read from the description of the protocol that the
//! program carries.
//!
//! With it messages are rewritten before they are decoded: no field can be forgotten, and none that
//! is still to come. What is not known is left out, which decoding would do as well.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use netpoller_proto::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FileDescriptorSet};

/// The schema of this protocol.
pub(in crate::source) static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| Schema::of(FILE_DESCRIPTOR_SET).unwrap_or_default());

/// Messages within messages.
const DEEPEST: u32 = 32;

/// Messages within a message, each in the one before, that lie in its memory.
const INLINE: u32 = 4;

/// A message: its place in [`Schema::shapes`].
pub(in crate::source) type Shape = usize;

#[derive(Debug, Default)]
pub(in crate::source) struct Schema {
    shapes: Vec<Fields>,
    /// What is sent to each method, and what it answers.
    methods: HashMap<String, (Shape, Shape)>,
    /// The messages of our own package, by name.
    messages: HashMap<String, Shape>,
}

#[derive(Debug, Default)]
struct Fields {
    /// By number.
    fields: HashMap<u32, Field>,
    /// Memory of one decoded, without what it refers to.
    size: usize,
}

#[derive(Debug, Clone, Copy)]
enum Field {
    Text,
    Message {
        shape: Shape,
        /// It is one of many, and has memory of its own.
        is_repeated: bool,
    },
    Other,
}

/// Why a message was not rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Fault {
    /// It would take more memory than it may.
    TooLarge,
    /// It is no message.
    Malformed,
}

impl Schema {
    fn of(bytes: &[u8]) -> Option<Self> {
        let set = FileDescriptorSet::decode(bytes).ok()?;
        let mut found = Vec::new();
        for file in &set.file {
            for message in &file.message_type {
                collect(&format!(".{}", file.package()), message, &mut found);
            }
        }
        let names: HashMap<&str, Shape> = found
            .iter()
            .enumerate()
            .map(|(shape, (name, _))| (name.as_str(), shape))
            .collect();
        let mut schema = Self::default();
        for (_, message) in &found {
            let fields = message.field.iter().map(|field| {
                let kind = match field.r#type() {
                    Type::String => Field::Text,
                    Type::Message => {
                        names
                            .get(field.type_name())
                            .map_or(Field::Other, |shape| Field::Message {
                                shape: *shape,
                                is_repeated: field.label() == Label::Repeated,
                            })
                    }
                    _ => Field::Other,
                };
                (field.number().unsigned_abs(), kind)
            });
            schema.shapes.push(Fields {
                fields: fields.collect(),
                size: 0,
            });
        }
        let own = found.iter().enumerate().filter_map(|(shape, (name, _))| {
            let name = name.strip_prefix(".netpoller.v1.")?;
            Some((name.to_owned(), shape))
        });
        schema.messages = own.collect();
        for shape in 0..found.len() {
            schema.shapes[shape].size = size(&found, &names, shape, 0);
        }
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}.{}/{}", file.package(), service.name(), method.name());
                    let input = *names.get(method.input_type())?;
                    let output = *names.get(method.output_type())?;
                    schema.methods.insert(path, (input, output));
                }
            }
        }
        Some(schema)
    }

    /// What a method takes and what it answers.
    pub(in crate::source) fn method(&self, path: &str) -> Option<(Shape, Shape)> {
        self.methods.get(path).copied()
    }

    /// A message of our own package that no method takes or answers.
    pub(in crate::source) fn message(&self, name: &str) -> Option<Shape> {
        self.messages.get(name).copied()
    }

    /// The message with every text in it changed, if it takes no more memory than there is room,
    /// decoded; and the room that is left.
    pub(in crate::source) fn rewrite(
        &self,
        shape: Shape,
        message: &[u8],
        text: fn(&str) -> Cow<'_, str>,
        room: usize,
    ) -> Result<(Vec<u8>, usize), Fault> {
        let mut out = Vec::with_capacity(message.len());
        let mut rewriting = Rewriting {
            schema: self,
            text,
            room,
        };
        rewriting.message(shape, message, &mut out, Place::default())?;
        Ok((out, rewriting.room))
    }
}

fn collect<'a>(
    within: &str,
    message: &'a DescriptorProto,
    found: &mut Vec<(String, &'a DescriptorProto)>,
) {
    let name = format!("{within}.{}", message.name());
    for nested in &message.nested_type {
        collect(&name, nested, found);
    }
    found.push((name, message));
}

/// As Rust lays it out, or somewhat more.
fn size(
    found: &[(String, &DescriptorProto)],
    names: &HashMap<&str, Shape>,
    shape: Shape,
    depth: u32,
) -> usize {
    let fields = found[shape].1.field.iter();
    let sizes = fields.map(|field| match (field.label(), field.r#type()) {
        (Label::Repeated, _) | (_, Type::String | Type::Bytes) => 24,
        // A message that holds itself is in a box.
        (_, Type::Message) if depth < INLINE => names
            .get(field.type_name())
            .map_or(8, |inner| 8 + size(found, names, *inner, depth + 1)),
        _ => 8,
    });
    sizes.sum::<usize>() + 8
}

/// Where a message is.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// So many are around it.
    depth: u32,
    /// So many within one another, it among them, lie in the memory of one that is around them.
    inline: u32,
}

struct Rewriting<'a> {
    schema: &'a Schema,
    text: fn(&str) -> Cow<'_, str>,
    room: usize,
}

impl Rewriting<'_> {
    fn message(
        &mut self,
        shape: Shape,
        mut bytes: &[u8],
        out: &mut Vec<u8>,
        place: Place,
    ) -> Result<(), Fault> {
        let fields = self.schema.shapes.get(shape).ok_or(Fault::Malformed)?;
        if place.depth > DEEPEST {
            return Err(Fault::Malformed);
        }
        let inline = match place.inline {
            0 => {
                self.take(fields.size)?;
                INLINE
            }
            inline => inline - 1,
        };
        let within = Place {
            depth: place.depth + 1,
            inline,
        };
        while !bytes.is_empty() {
            let tag = varint(&mut bytes)?;
            let field = u32::try_from(tag >> 3).map_err(|_| Fault::Malformed)?;
            let known = fields.fields.get(&field);
            let start = bytes;
            match tag & 7 {
                0 => {
                    varint(&mut bytes)?;
                }
                1 => {
                    split(&mut bytes, 8)?;
                }
                5 => {
                    split(&mut bytes, 4)?;
                }
                2 => {
                    let length = varint(&mut bytes)?;
                    let content = split(&mut bytes, length)?;
                    self.content(known, tag, content, out, within)?;
                    continue;
                }
                _ => return Err(Fault::Malformed),
            }
            if known.is_some() {
                self.take(8)?;
                put(tag, out);
                out.extend(&start[..start.len() - bytes.len()]);
            }
        }
        Ok(())
    }

    fn content(
        &mut self,
        known: Option<&Field>,
        tag: u64,
        content: &[u8],
        out: &mut Vec<u8>,
        place: Place,
    ) -> Result<(), Fault> {
        match known {
            None => return Ok(()),
            Some(Field::Message { shape, is_repeated }) => {
                let mut inner = Vec::with_capacity(content.len());
                let place = match is_repeated {
                    true => Place { inline: 0, ..place },
                    false => place,
                };
                self.message(*shape, content, &mut inner, place)?;
                put(tag, out);
                put(inner.len() as u64, out);
                out.append(&mut inner);
            }
            Some(Field::Text) => {
                let text = std::str::from_utf8(content).map_err(|_| Fault::Malformed)?;
                let text = (self.text)(text);
                // With what an allocation costs.
                self.take(text.len() + 40)?;
                put(tag, out);
                put(text.len() as u64, out);
                out.extend(text.as_bytes());
            }
            // Numbers without tags, of a byte or more each.
            Some(Field::Other) => {
                self.take(content.len().saturating_mul(8))?;
                put(tag, out);
                put(content.len() as u64, out);
                out.extend(content);
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> Result<(), Fault> {
        self.room = self.room.checked_sub(bytes).ok_or(Fault::TooLarge)?;
        Ok(())
    }
}

fn split<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], Fault> {
    let length = usize::try_from(length).map_err(|_| Fault::Malformed)?;
    let (content, rest) = bytes.split_at_checked(length).ok_or(Fault::Malformed)?;
    *bytes = rest;
    Ok(content)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Fault> {
    prost::encoding::decode_varint(bytes).map_err(|_| Fault::Malformed)
}

fn put(value: u64, out: &mut Vec<u8>) {
    prost::encoding::encode_varint(value, out);
}

#[cfg(test)]
mod tests {
    use netpoller_proto::v1::{
        Descriptor, GetServerResponse, ListDescriptorsResponse, Poller, PollerStats,
    };

    use super::*;
    use crate::fixture;
    use crate::foreign::{restored, visible};

    const LIST: &str = "/netpoller.v1.Inspector/ListDescriptors";

    fn output(method: &str) -> Shape {
        SCHEMA.method(method).expect("a method").1
    }

    #[test]
    fn every_method_is_known() {
        for name in [
            "Inspector/GetServer",
            "Inspector/GetStats",
            "Inspector/ListDescriptors",
            "Inspector/GetDescriptor",
            "Inspector/Watch",
            "Inspector/WatchTransitions",
            "Inspector/Audit",
            "Inspector/Diagnose",
            "Inspector/ListSites",
            "Control/Evict",
            "Control/Break",
        ] {
            assert!(
                SCHEMA.method(&format!("/netpoller.v1.{name}")).is_some(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_message_without_anything_strange_is_as_it_was() {
        let server = fixture::server(300, fixture::NOW_NS);
        let bytes = server.encode_to_vec();
        let shape = output("/netpoller.v1.Inspector/GetServer");
        let (rewritten, _) = SCHEMA
            .rewrite(shape, &bytes, visible, 1 << 20)
            .expect("a message");
        assert_eq!(GetServerResponse::decode(&rewritten[..]), Ok(server));
        let stats = fixture::stats(300, fixture::NOW_NS, 7);
        let bytes = stats.encode_to_vec();
        let shape = output("/netpoller.v1.Inspector/GetStats");
        let (rewritten, _) = SCHEMA
            .rewrite(shape, &bytes, visible, 1 << 20)
            .expect("a message");
        assert_eq!(Message::decode(&rewritten[..]), Ok(stats));
    }

    #[test]
    fn every_text_is_changed_and_changed_back() {
        let mut stats = PollerStats {
            poller: Some(Poller {
                name: "a\x1b".into(),
                ..Poller::default()
            }),
            ..PollerStats::default()
        };
        stats.counters.insert("b\u{202e}".into(), 3);
        let answer = netpoller_proto::v1::GetStatsResponse {
            pollers: vec![stats],
            ..Default::default()
        };
        let shape = output("/netpoller.v1.Inspector/GetStats");
        let bytes = answer.encode_to_vec();
        let (shown, _) = SCHEMA
            .rewrite(shape, &bytes, visible, 1 << 20)
            .expect("a message");
        let read = netpoller_proto::v1::GetStatsResponse::decode(&shown[..]).expect("a message");
        assert_eq!(
            read.pollers[0].poller.as_ref().expect("a poller").name,
            r"a\u{1b}"
        );
        assert_eq!(read.pollers[0].counters.get(r"b\u{202e}"), Some(&3));
        let (back, _) = SCHEMA
            .rewrite(shape, &shown, restored, 1 << 20)
            .expect("a message");
        assert_eq!(back, bytes);
    }

    #[test]
    fn a_small_message_that_decodes_to_a_large_one_is_refused() {
        // Two bytes a row.
        let bytes = [0x12, 0].repeat(100_000);
        let rows = ListDescriptorsResponse::decode(&bytes[..]).expect("a message");
        let rows = rows.descriptors.len();
        assert_eq!(rows, 100_000, "the number of the field has changed");
        let room = rows * std::mem::size_of::<Descriptor>();
        assert_eq!(
            SCHEMA.rewrite(output(LIST), &bytes, visible, room),
            Err(Fault::TooLarge)
        );
    }

    #[test]
    fn what_lies_in_a_message_is_counted_once() {
        let row = crate::fixture::row(7, crate::fixture::NOW_NS);
        let texts = row.encoded_len() + 40 * 40;
        let one = ListDescriptorsResponse {
            descriptors: vec![row],
            ..Default::default()
        };
        // As Rust lays them out, or somewhat more.
        let of = |kind: usize| kind * 3 / 2 + 512;
        let room = of(size_of::<ListDescriptorsResponse>()) + of(size_of::<Descriptor>()) + texts;
        let rewritten = SCHEMA.rewrite(output(LIST), &one.encode_to_vec(), visible, room);
        assert_eq!(rewritten.map(|(it, _)| it.len()), Ok(one.encoded_len()));
        let room = size_of::<Descriptor>();
        let rewritten = SCHEMA.rewrite(output(LIST), &one.encode_to_vec(), visible, room);
        assert_eq!(rewritten, Err(Fault::TooLarge));
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [&[0x12, 200, 1][..], &[0x0b], &[0xff; 12], &[0x12, 2, 0x22]] {
            let rewritten = SCHEMA.rewrite(output(LIST), bytes, visible, 1 << 20);
            assert_eq!(rewritten, Err(Fault::Malformed), "{bytes:?}");
        }
    }
}
