//! What the protocol promises of itself: every field is described, and nothing that older clients
//! know has changed.

use std::path::Path;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor,
};

/// The protocol as it is.
fn current() -> DescriptorPool {
    DescriptorPool::decode(netpoller_proto::FILE_DESCRIPTOR_SET)
        .expect("the checked-in descriptors")
}

/// The protocol as it was in each schema that is kept in `tests/compat`.
fn earlier() -> Vec<(String, DescriptorPool)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compat");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("tests/compat")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name.ends_with(".proto"))
        .collect();
    names.sort();
    names
        .into_iter()
        .map(|name| {
            let files = protox::compile([&name], [&folder]).expect("compile an earlier schema");
            (
                name,
                DescriptorPool::from_file_descriptor_set(files).expect("a whole schema"),
            )
        })
        .collect()
}

/// Number, type and cardinality of a field.
fn shape(field: &FieldDescriptor) -> (u32, String, String) {
    (
        field.number(),
        format!("{:?}", field.kind()),
        format!("{:?}", field.cardinality()),
    )
}

fn values(it: &EnumDescriptor) -> Vec<(String, i32)> {
    it.values()
        .map(|value| (value.name().to_owned(), value.number()))
        .collect()
}

#[test]
fn what_an_older_client_knows_is_there_with_the_same_number_type_and_name() {
    let current = current();
    let schemas = earlier();
    assert!(!schemas.is_empty(), "there is an earlier schema");
    for (name, old) in schemas {
        let mut fields = 0;
        for message in old.all_messages() {
            let now = current
                .get_message_by_name(message.full_name())
                .unwrap_or_else(|| panic!("{name}: {} is gone", message.full_name()));
            for field in message.fields() {
                let known = now
                    .get_field_by_name(field.name())
                    .unwrap_or_else(|| panic!("{name}: {} is gone", field.full_name()));
                assert_eq!(
                    shape(&known),
                    shape(&field),
                    "{name}: {}",
                    field.full_name()
                );
                fields += 1;
            }
        }
        assert!(fields > 50, "{name}: only {fields} fields were compared");
        for it in old.all_enums() {
            let now = current
                .get_enum_by_name(it.full_name())
                .unwrap_or_else(|| panic!("{name}: {} is gone", it.full_name()));
            let now = values(&now);
            for value in values(&it) {
                assert!(
                    now.contains(&value),
                    "{name}: {} has changed {value:?}",
                    it.full_name()
                );
            }
        }
        for service in old.services() {
            let now = current
                .get_service_by_name(service.full_name())
                .unwrap_or_else(|| panic!("{name}: {} is gone", service.full_name()));
            for method in service.methods() {
                let known = now
                    .methods()
                    .find(|it| it.name() == method.name())
                    .unwrap_or_else(|| panic!("{name}: {} is gone", method.full_name()));
                let signature = |it: &prost_reflect::MethodDescriptor| {
                    (
                        it.input().full_name().to_owned(),
                        it.output().full_name().to_owned(),
                        it.is_client_streaming(),
                        it.is_server_streaming(),
                    )
                };
                assert_eq!(
                    signature(&known),
                    signature(&method),
                    "{name}: {}",
                    method.full_name()
                );
            }
        }
    }
}

/// The comment on what lies at this path of the file.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let info = file
        .file_descriptor_proto()
        .source_code_info
        .as_ref()
        .expect("comments");
    info.location
        .iter()
        .find(|location| location.path == path)
        .map(|location| {
            format!(
                "{}{}",
                location.leading_comments(),
                location.trailing_comments()
            )
        })
        .unwrap_or_default()
}

/// Messages that are written in the file, and not those that stand for maps.
fn written(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    pool.all_messages()
        .filter(|message| !message.is_map_entry())
        .collect()
}

#[test]
fn everything_has_a_comment() {
    let pool = current();
    let mut missing = Vec::new();
    let mut check = |name: &str, file: &FileDescriptor, path: &[i32]| {
        if comment(file, path).trim().len() < 3 {
            missing.push(name.to_owned());
        }
    };
    let messages = written(&pool);
    assert!(messages.len() > 30);
    for message in &messages {
        check(message.full_name(), &message.parent_file(), message.path());
        for field in message
            .fields()
            .filter(|field| field.containing_oneof().is_none())
        {
            check(field.full_name(), &field.parent_file(), field.path());
        }
    }
    for it in pool.all_enums() {
        check(it.full_name(), &it.parent_file(), it.path());
        for value in it.values() {
            check(value.full_name(), &it.parent_file(), value.path());
        }
    }
    for service in pool.services() {
        check(service.full_name(), &service.parent_file(), service.path());
        for method in service.methods() {
            check(method.full_name(), &service.parent_file(), method.path());
        }
    }
    for field in messages.iter().flat_map(MessageDescriptor::fields) {
        check(field.full_name(), &field.parent_file(), field.path());
    }
    assert!(missing.is_empty(), "without a comment: {missing:#?}");
}

#[test]
fn times_and_durations_say_their_unit_in_their_name() {
    let pool = current();
    let mut times = 0;
    for field in written(&pool).iter().flat_map(MessageDescriptor::fields) {
        let said = comment(&field.parent_file(), field.path());
        let said = said.trim();
        let number = format!("{:?}", field.kind()).contains("64");
        let is_time = said.starts_with("When ")
            || said.starts_with("The moment")
            || said.starts_with("Duration ")
            || said.contains("a duration")
            || said.contains("nanoseconds");
        if number && is_time {
            assert!(
                field.name().ends_with("_ns"),
                "{}: {said}",
                field.full_name()
            );
            times += 1;
        }
        if field.name().ends_with("_ns") {
            let ns_map = field.is_map() && field.name() == "hold_ns";
            assert!(
                number || ns_map,
                "{} is no number of nanoseconds",
                field.full_name()
            );
        }
    }
    assert!(times > 20, "only {times} times were found");
}

/// The comment in front of a message.
fn comment_of_message(message: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("netpoller/v1/inspector.proto");
    let schema = std::fs::read_to_string(path).expect("the schema");
    let before = schema
        .split_once(&format!("\nmessage {message} {{"))
        .expect("the message")
        .0;
    let lines: Vec<&str> = before
        .lines()
        .rev()
        .map_while(|line| line.strip_prefix("//"))
        .map(str::trim)
        .collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_size_of_a_filter_is_bounded_as_its_comment_says() {
    use netpoller_proto::filter::{DEEPEST, FilterError, LARGEST, Predicate};
    use netpoller_proto::v1::filter_value::Value;
    use netpoller_proto::v1::{
        Comparison, Filter, FilterList, FilterValue, Operator, filter::Node,
    };

    let said = comment_of_message("Filter");
    assert!(said.contains(&format!("larger than {LARGEST},")), "{said}");
    assert!(said.contains(&format!("deeper than {DEEPEST},")), "{said}");
    assert!(comment_of_message("Comparison").contains("n values is as large as n comparisons"));

    let is_one_of = |count: usize| Filter {
        node: Some(Node::Comparison(Comparison {
            field: "fd".into(),
            op: Operator::In.into(),
            values: (0..count)
                .map(|fd| FilterValue {
                    value: Some(Value::Number(fd as i64)),
                })
                .collect(),
        })),
    };
    let all = |filters| Filter {
        node: Some(Node::All(FilterList { filters })),
    };
    let check = |filter: &Filter| Predicate::try_from(filter).map(drop);
    assert_eq!(check(&is_one_of(LARGEST)), Ok(()));
    assert_eq!(check(&is_one_of(LARGEST + 1)), Err(FilterError::TooLarge));
    // The connective counts as well, and its list does not.
    let both = |count| all(vec![is_one_of(count), is_one_of(1)]);
    assert_eq!(check(&both(LARGEST - 2)), Ok(()));
    assert_eq!(check(&both(LARGEST - 1)), Err(FilterError::TooLarge));
}
