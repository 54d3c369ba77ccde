//! From the text of a file to settings, or to all that is wrong with it, each with its line and
//! with what to write instead.

use std::ops::Range;
use std::path::PathBuf;

use clap::Command;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::flags::{self, Kind, flags, long};
use super::said::{Alias, Config, Setting, View};
use crate::failure::Failure;
use crate::source::{Access, TargetSpec};
use crate::table::{Named, TABLES};
use crate::text;
use crate::tui::Key;

type Value<'a> = Spanned<DeValue<'a>>;

/// What stands beside the settings that are flags.
pub(super) const SECTIONS: [&str; 3] = ["targets", "views", "keys"];
/// What is shown to a target, beside the `target` itself.
pub(super) const ACCESS: [&str; 5] = ["token-file", "tls-ca", "tls-cert", "tls-key", "tls-name"];

/// Reads a file.
pub(super) fn read(path: PathBuf, text: &str, command: &Command) -> Result<Config, Failure> {
    let mut reader = Reader {
        text,
        wrong: Vec::new(),
    };
    let mut config = Config::default();
    match DeTable::parse(text) {
        Ok(document) => reader.document(document.get_ref(), command, &mut config),
        Err(error) => {
            let span = error.span().unwrap_or_default();
            reader.say(span, format!("this is no TOML: {}", error.message()));
        }
    }
    if reader.wrong.is_empty() {
        config.path = Some(path);
        return Ok(config);
    }
    reader.wrong.sort();
    let told = reader.wrong.iter().map(|(line, message)| {
        let path = path.display();
        format!("{path}:{line}: {message}")
    });
    let told: Vec<String> = told.collect();
    Err(Failure::Usage(format!(
        "{}\nmend the file, or do without it: --config /dev/null",
        told.join("\n")
    )))
}

struct Reader<'t> {
    text: &'t str,
    /// What is wrong, by lines.
    wrong: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn line(&self, span: Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }

    fn say(&mut self, span: Range<usize>, message: String) {
        let line = self.line(span);
        self.wrong.push((line, message));
    }

    fn document(&mut self, document: &DeTable<'_>, command: &Command, config: &mut Config) {
        for (key, value) in document {
            let name = key.get_ref().as_ref();
            let found = flags(command).find(|flag| long(flag) == name);
            match (found, name) {
                (Some(flag), _) => {
                    let Some(values) = self.values(name, value, flags::kind(flag)) else {
                        continue;
                    };
                    if let Err(message) = flags::check(command, flag, &values) {
                        self.say(value.span(), format!("{name}: {message}"));
                        continue;
                    }
                    let line = self.line(key.span());
                    config
                        .flags
                        .insert(name.to_owned(), Setting { values, line });
                }
                (None, "targets") => self.section(name, value, |it, name, at, value| {
                    it.target(name, at, value, config);
                }),
                (None, "views") => self.section(name, value, |it, name, at, value| {
                    it.view(name, at, value, config);
                }),
                (None, "keys") => self.section(name, value, |it, name, at, value| {
                    it.key(name, at, value, config);
                }),
                (None, _) => {
                    let known: Vec<&str> = flags(command).map(long).chain(SECTIONS).collect();
                    self.unknown("setting", name, key.span(), &known);
                }
            }
        }
    }

    fn unknown(&mut self, what: &str, name: &str, span: Range<usize>, known: &[&str]) {
        let suggestion = text::suggestion(name, known.iter().copied());
        self.say(span, format!("no {what} is called `{name}`; {suggestion}"));
    }

    /// Each entry of a table, with the place of its name.
    fn section(
        &mut self,
        name: &str,
        value: &Value<'_>,
        mut each: impl FnMut(&mut Self, &str, Range<usize>, &Value<'_>),
    ) {
        let Some(table) = value.get_ref().as_table() else {
            let message = format!("`{name}` is a table; write its entries under [{name}]");
            return self.say(value.span(), message);
        };
        let mut entries: Vec<_> = table.iter().collect();
        // In the order of the file: what is said twice is said of the second.
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            each(self, key.get_ref(), key.span(), value);
        }
    }

    /// What a value says, as a flag would be given it.
    fn values(&mut self, name: &str, value: &Value<'_>, kind: Kind) -> Option<Vec<String>> {
        let texts = |values: &[Value<'_>]| -> Option<Vec<String>> {
            let texts = values.iter().map(|it| it.get_ref().as_str());
            texts.map(|it| it.map(str::to_owned)).collect()
        };
        let read = match (kind, value.get_ref()) {
            (Kind::Truth, DeValue::Boolean(truth)) => Some(vec![truth.to_string()]),
            (Kind::List, DeValue::Array(values)) => texts(values),
            (Kind::List | Kind::Text | Kind::Number, DeValue::String(text)) => {
                Some(vec![text.to_string()])
            }
            (Kind::Number, DeValue::Integer(number)) => Some(vec![number.to_string()]),
            _ => None,
        };
        if read.is_none() {
            let shape = match kind {
                Kind::Truth => "true or false",
                Kind::List => "a list, [\"…\", \"…\"]",
                Kind::Number => "a number, or a text in quotes",
                Kind::Text => "a text in quotes",
            };
            let message = format!("`{name}` is {shape}, and no {}", value.get_ref().type_str());
            self.say(value.span(), message);
        }
        read
    }

    fn text(&mut self, name: &str, value: &Value<'_>) -> Option<String> {
        self.values(name, value, Kind::Text)?.pop()
    }

    fn target(&mut self, name: &str, at: Range<usize>, value: &Value<'_>, config: &mut Config) {
        if !matches!(name.parse(), Ok(TargetSpec::Name(_))) {
            let message = format!(
                "`{name}` would not be taken for a name: it must not be a number, or have / or : in it"
            );
            return self.say(at, message);
        }
        let line = self.line(at);
        let mut access = Access::default();
        let text = match value.get_ref() {
            DeValue::Table(table) => {
                let mut target = None;
                for (key, value) in table {
                    let field = key.get_ref().as_ref();
                    let place = match field {
                        "target" => {
                            target = self.text(field, value);
                            continue;
                        }
                        "token-file" => &mut access.token_file,
                        "tls-ca" => &mut access.tls_ca,
                        "tls-cert" => &mut access.tls_cert,
                        "tls-key" => &mut access.tls_key,
                        "tls-name" => {
                            access.tls_name = self.text(field, value);
                            continue;
                        }
                        _ => {
                            let known: Vec<&str> = ["target"].into_iter().chain(ACCESS).collect();
                            self.unknown("setting of a target", field, key.span(), &known);
                            continue;
                        }
                    };
                    *place = self.text(field, value).map(PathBuf::from);
                }
                if target.is_none() && !table.contains_key("target") {
                    self.say(value.span(), format!("{name}: `target` is missing"));
                }
                target
            }
            _ => self.text(name, value),
        };
        let Some(text) = text else { return };
        match text.parse() {
            Ok(target) => {
                let alias = Alias {
                    text,
                    target,
                    access,
                    line,
                };
                config.targets.insert(name.to_owned(), alias);
            }
            Err(error) => self.say(value.span(), format!("{name}: {error}")),
        }
    }

    fn view(&mut self, name: &str, at: Range<usize>, value: &Value<'_>, config: &mut Config) {
        let Some(table) = TABLES.iter().find(|table| table.name == name) else {
            let known: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
            return self.unknown("view", name, at, &known);
        };
        let mut view = View {
            line: self.line(at),
            ..View::default()
        };
        self.section(&format!("views.{name}"), value, |it, field, at, value| {
            match field {
                "columns" => view.columns = it.columns(table, value),
                "sort" => {
                    let read = it.text(field, value).map(|text| text.parse());
                    match read {
                        Some(Ok(sort)) => view.sort = Some(sort),
                        Some(Err(error)) => it.say(value.span(), error),
                        None => {}
                    }
                }
                _ => it.unknown("setting of a view", field, at, &["columns", "sort"]),
            }
            if let Some(sort) = &view.sort
                && field == "sort"
            {
                it.column(table, &sort.column, value.span());
            }
        });
        config.views.insert(table.name, view);
    }

    fn columns(&mut self, table: &Named, value: &Value<'_>) -> Option<Vec<String>> {
        let columns = self.values("columns", value, Kind::List)?;
        if columns.is_empty() {
            let message = "`columns` names none; leave it out for the usual ones";
            self.say(value.span(), message.to_owned());
        }
        for column in &columns {
            self.column(table, column, value.span());
        }
        Some(columns)
    }

    fn column(&mut self, table: &Named, column: &str, span: Range<usize>) {
        if let Err(failure) = (table.known)(column) {
            self.say(span, format!("{}: {failure}", table.name));
        }
    }

    fn key(&mut self, name: &str, at: Range<usize>, value: &Value<'_>, config: &mut Config) {
        let Some(texts) = self.values(name, value, Kind::List) else {
            return;
        };
        let mut keys = Vec::new();
        for text in texts {
            match text.parse::<Key>() {
                Ok(key) => keys.push(key),
                Err(error) => self.say(value.span(), format!("{name}: {error}")),
            }
        }
        let line = self.line(at.clone());
        for binding in config.keymap.bindings() {
            let twice = binding.keys.iter().find(|key| keys.contains(key));
            if let (Some(key), Some(other)) = (twice, config.keys.get(&binding.name)) {
                let (key, action) = (key.written(true), &binding.name);
                let message = format!("`{key}` is given to `{action}` in line {other} already");
                return self.say(value.span(), message);
            }
        }
        match config.keymap.bind(name, keys) {
            Ok(()) => {
                config.keys.insert(name.to_owned(), line);
            }
            Err(error) => self.say(at, error),
        }
        let mut all = config.keymap.bindings().iter();
        if all.any(|binding| binding.name == "quit" && binding.keys.is_empty()) {
            let message = "no key is left for `quit`; give it one under [keys]";
            self.say(value.span(), message.to_owned());
        }
    }
}
