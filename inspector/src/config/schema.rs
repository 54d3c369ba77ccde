//! The shape of the file as a JSON schema, for editors. It is made of what reads the file, so that
//! both know the same settings.

use clap::{Arg, Command};
use serde_json::{Map, Value, json};

use super::flags::{self, Kind, flags, long};
use super::read::ACCESS;
use crate::table::TABLES;
use crate::tui::keymap;

/// Returns the schema.
pub(crate) fn schema(command: &Command) -> Value {
    let mut settings: Map<String, Value> = flags(command)
        .map(|flag| (long(flag).to_owned(), setting(flag)))
        .collect();
    settings.insert("targets".to_owned(), targets());
    settings.insert("views".to_owned(), views());
    settings.insert("keys".to_owned(), keys());
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of the netpoller command",
        "type": "object",
        "additionalProperties": false,
        "properties": settings,
    })
}

fn setting(flag: &Arg) -> Value {
    let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
    let words = flags::words(flag);
    match flags::kind(flag) {
        Kind::Truth => json!({"type": "boolean", "description": help}),
        Kind::List => json!({"type": "array", "items": {"type": "string"}, "description": help}),
        Kind::Number => json!({"type": ["integer", "string"], "description": help}),
        Kind::Text if words.is_empty() => json!({"type": "string", "description": help}),
        Kind::Text => json!({"enum": words, "description": help}),
    }
}

fn targets() -> Value {
    let mut settings = Map::new();
    settings.insert("target".to_owned(), json!({"type": "string"}));
    for name in ACCESS {
        settings.insert(name.to_owned(), json!({"type": "string"}));
    }
    json!({
        "description": "Processes by names of your own, for --target",
        "type": "object",
        "additionalProperties": {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "required": ["target"],
                    "additionalProperties": false,
                    "properties": settings,
                },
            ],
        },
    })
}

fn views() -> Value {
    let view = |columns: Vec<&str>| {
        json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "columns": {"type": "array", "minItems": 1, "items": {"enum": columns}},
                "sort": {"type": "string", "description": "a column, with :desc the other way"},
            },
        })
    };
    let all = TABLES.iter();
    let all: Map<String, Value> = all
        .map(|table| (table.name.to_owned(), view((table.columns)())))
        .collect();
    json!({
        "description": "Columns and order of tables, where people read them",
        "type": "object",
        "additionalProperties": false,
        "properties": all,
    })
}

fn keys() -> Value {
    let keys = keymap();
    let all: Map<String, Value> = keys
        .bindings()
        .iter()
        .map(|binding| {
            let usual: Vec<String> = binding.keys.iter().map(|key| key.written(true)).collect();
            let setting = json!({
                "description": binding.help,
                "default": usual,
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "items": {"type": "string"}},
                ],
            });
            (binding.name.clone(), setting)
        })
        .collect();
    json!({
        "description": "Keys of the terminal UI, in place of the usual ones",
        "type": "object",
        "additionalProperties": false,
        "properties": all,
    })
}
