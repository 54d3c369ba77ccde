//! The vocabulary and the `.proto` file have the same names and numbers.

use netpoller_proto::vocabulary::{
    Cause, Direction, EventKind, GroupBy, Kind, LineKind, State, Transition,
};
use prost_reflect::DescriptorPool;

type Numbered = Vec<(i32, String)>;

fn pool() -> DescriptorPool {
    DescriptorPool::decode(netpoller_proto::FILE_DESCRIPTOR_SET)
        .expect("the checked-in descriptors")
}

/// The values of an enum of the protocol, by number, without the one that stands for none.
fn values(name: &str) -> Numbered {
    let pool = pool();
    let values = pool
        .get_enum_by_name(&format!("netpoller.v1.{name}"))
        .expect("the enum");
    let mut values: Numbered = values
        .values()
        .map(|value| (value.number(), value.name().to_owned()))
        .filter(|(number, _)| *number != 0)
        .collect();
    values.sort();
    values
}

/// The words, by number.
fn words(of: impl IntoIterator<Item = (i32, &'static str)>, prefix: &str) -> Numbered {
    let mut words: Numbered = of
        .into_iter()
        .map(|(number, name)| (number, format!("{prefix}_{}", name.to_uppercase())))
        .collect();
    words.sort();
    words
}

macro_rules! same {
    ($word:ident is $wire:literal, $prefix:literal) => {
        let all = $word::ALL.map(|it| (it.number(), it.name()));
        assert_eq!(words(all, $prefix), values($wire));
        for it in $word::ALL {
            assert_eq!($word::from_number(it.number()), Some(it));
            assert_eq!($word::from_index(it.index()), Some(it));
            assert_eq!(it.name().parse(), Ok(it));
        }
        assert_eq!($word::from_number(0), None);
    };
}

#[test]
fn every_word_has_the_number_and_the_name_of_the_protocol() {
    same!(State is "State", "STATE");
    same!(Kind is "DescriptorKind", "DESCRIPTOR_KIND");
    same!(GroupBy is "GroupBy", "GROUP_BY");
    same!(EventKind is "EventKind", "EVENT_KIND");
    same!(Cause is "Cause", "CAUSE");
    same!(LineKind is "LineKind", "LINE_KIND");
    same!(Direction is "Mode", "MODE");
}

#[test]
fn every_transition_is_a_field_of_its_number_and_an_event_of_its_name() {
    let message = pool()
        .get_message_by_name("netpoller.v1.Transitions")
        .expect("the message");
    let mut fields: Numbered = message
        .fields()
        .map(|field| (field.number() as i32, field.name().to_owned()))
        .collect();
    fields.sort();
    let mut transitions: Numbered = Transition::ALL
        .map(|it| (it.number(), it.name().to_owned()))
        .to_vec();
    transitions.sort();
    assert_eq!(transitions, fields);

    for transition in Transition::ALL {
        let kind = EventKind::from(transition);
        assert_eq!(kind.name(), transition.name());
        assert_eq!(kind.transition(), Some(transition));
    }
    assert_eq!(EventKind::Opened.transition(), None);
}

#[test]
fn every_transition_leads_from_and_to_the_states_that_the_protocol_says() {
    let pool = pool();
    let kinds = pool
        .get_enum_by_name("netpoller.v1.EventKind")
        .expect("the enum");
    let file = kinds.parent_file();
    let comments = &file
        .file_descriptor_proto()
        .source_code_info
        .as_ref()
        .expect("comments")
        .location;
    for transition in Transition::ALL {
        let kind = kinds
            .get_value(EventKind::from(transition).number())
            .expect("the value");
        let said = comments
            .iter()
            .find(|location| location.path == kind.path())
            .expect("its comment")
            .leading_comments();
        let (from, to) = (transition.from_state(), transition.to_state());
        assert!(
            said.trim().starts_with(&format!("{from} to {to}")),
            "{transition}: {said}"
        );
        assert!(
            transition.help().starts_with(&format!("{from} → {to}")),
            "{transition}"
        );
    }
}

#[test]
fn help_is_a_sentence() {
    use netpoller_proto::vocabulary::{Counter, Histogram};

    let counters = Counter::ALL.map(|it| (it.name(), it.help()));
    let histograms = Histogram::ALL.map(|it| (it.name(), it.help()));
    let transitions = Transition::ALL.map(|it| (it.name(), it.help()));
    for (name, help) in counters.into_iter().chain(histograms).chain(transitions) {
        assert!(help.ends_with('.') && help.trim() == help, "{name}: {help}");
    }
}
