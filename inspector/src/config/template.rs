//! A file to begin with: every setting, commented out, as it is without a file.

use std::fmt::Write;

use clap::{Arg, Command};

use super::flags::{self, Kind, flags, long};
use crate::table::TABLES;
use crate::tui::keymap;

/// Returns the text of a file that says nothing yet.
pub(crate) fn template(command: &Command) -> String {
    let mut text = String::from(
        "# What the netpoller command does unless a flag or the environment says otherwise.\n\
         # `netpoller config show` tells what holds, and where each value comes from.\n",
    );
    for flag in flags(command) {
        let help = flag.get_help().map(ToString::to_string).unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = write!(text, "\n# {help}\n#{} = {}\n", long(flag), example(flag));
    }
    text.push_str(
        "\n# Processes by names of your own: `netpoller -t staging ls`.\n\
         #[targets]\n\
         #local = \"unix:/run/app/inspect.sock\"\n\
         #staging = { target = \"https://staging.example:6670\", tls-ca = \"/etc/netpoller/ca.pem\", \
         token-file = \"/etc/netpoller/token\" }\n\
         \n# Columns and order of tables, where people read them; scripts get what they ask for.\n",
    );
    for table in &TABLES {
        let columns = (table.columns)();
        let few: Vec<String> = columns.iter().take(4).map(|it| format!("{it:?}")).collect();
        let first = columns.first().copied().unwrap_or_default();
        let (name, few) = (table.name, few.join(", "));
        let _ = write!(
            text,
            "#[views.{name}]\n#columns = [{few}]\n#sort = \"{first}:desc\"\n"
        );
    }
    text.push_str("\n# Keys of the terminal UI.\n#[keys]\n");
    for binding in keymap().bindings() {
        let keys = binding
            .keys
            .iter()
            .map(|key| format!("{:?}", key.written(true)));
        let keys: Vec<String> = keys.collect();
        let _ = writeln!(text, "#{} = [{}]", binding.name, keys.join(", "));
    }
    text
}

fn example(flag: &Arg) -> String {
    let usual = flag.get_default_values().first();
    let usual = usual.map(|value| value.to_string_lossy().into_owned());
    match (flags::kind(flag), usual) {
        (Kind::Truth, _) => "true".to_owned(),
        (Kind::Number, _) => "100".to_owned(),
        (_, Some(usual)) => format!("{usual:?}"),
        (Kind::List, None) => "[\"id\", \"fd\", \"peer\"]".to_owned(),
        (Kind::Text, None) => match long(flag) {
            "where" => "\"kind=tcp\"".to_owned(),
            "sort" => "\"since:desc\"".to_owned(),
            "tls-name" => "\"staging.example\"".to_owned(),
            "target" => "\"my-service\"".to_owned(),
            name => format!("\"/etc/netpoller/{name}\""),
        },
    }
}
