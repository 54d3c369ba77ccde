//! Messages within the schema, filled at random and with what a terminal would obey.

use std::collections::HashMap;

use netpoller_proto::FILE_DESCRIPTOR_SET;
use prost_reflect::prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};

/// What is put into every field that holds text.
pub(crate) const EVIL: &str = "\x1b]0;PWNED\x07\x1b[31337m\u{9b}31337m\u{9d}0;P\u{9c}\r\nforged\u{202e}\u{2066}\u{200b}\u{2028}\u{2029}\u{e0041}\u{ad}\u{feff}\u{fe0f}\x7f\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{301}\u{e000}\t\0";

/// Numbers in an order of their own for each seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    fn number(&mut self) -> u64 {
        match self.below(8) {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => u64::MAX / 2,
            4 => u64::MAX / 2 + 1,
            5 => u64::from(u32::MAX),
            6 => 3_600_000_000_000,
            _ => self.next(),
        }
    }

    fn text(&mut self) -> String {
        match self.below(8) {
            0 => String::new(),
            1 => "global".into(),
            2 => "1.1".into(),
            3 => EVIL.repeat(1 + self.below(40) as usize),
            _ => EVIL.to_owned(),
        }
    }
}

/// The schema, and what each method answers.
pub(crate) struct Schema {
    pool: DescriptorPool,
}

impl Schema {
    pub(crate) fn new() -> Self {
        Self {
            pool: DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the schema"),
        }
    }

    fn answer_of(&self, path: &str) -> Option<MessageDescriptor> {
        let (service, method) = path.trim_start_matches('/').split_once('/')?;
        let service = self.pool.get_service_by_name(service)?;
        service
            .methods()
            .find(|it| it.name() == method)
            .map(|it| it.output())
    }

    /// An answer of this method.
    pub(crate) fn random(&self, path: &str, dice: &mut Dice) -> Vec<u8> {
        let Some(kind) = self.answer_of(path) else {
            return Vec::new();
        };
        message(&kind, dice, 0).encode_to_vec()
    }
}

fn message(kind: &MessageDescriptor, dice: &mut Dice, depth: u32) -> DynamicMessage {
    let mut message = DynamicMessage::new(kind.clone());
    for field in kind.fields() {
        // What is seldom there is not tested often.
        if depth > 6 || dice.below(10) == 0 {
            continue;
        }
        let value = if field.is_map() {
            let Kind::Message(entry) = field.kind() else {
                continue;
            };
            let value = entry.map_entry_value_field();
            let entries = (0..dice.below(4))
                .map(|_| (MapKey::String(dice.text()), single(&value, dice, depth)));
            Value::Map(entries.collect::<HashMap<_, _>>())
        } else if field.is_list() {
            let length = dice.below(5);
            Value::List((0..length).map(|_| single(&field, dice, depth)).collect())
        } else {
            single(&field, dice, depth)
        };
        message.set_field(&field, value);
    }
    message
}

#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
fn single(field: &FieldDescriptor, dice: &mut Dice, depth: u32) -> Value {
    match field.kind() {
        Kind::Message(kind) => Value::Message(message(&kind, dice, depth + 1)),
        Kind::Enum(_) => Value::EnumNumber(match dice.below(4) {
            0 => dice.number() as i32,
            _ => dice.below(6) as i32,
        }),
        Kind::String => Value::String(dice.text()),
        Kind::Bytes => Value::Bytes(dice.text().into_bytes().into()),
        Kind::Bool => Value::Bool(dice.below(2) == 0),
        Kind::Double => Value::F64(f64::NAN),
        Kind::Float => Value::F32(f32::INFINITY),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(dice.number() as i32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(dice.number() as i64),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(dice.number() as u32),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(dice.number()),
    }
}
