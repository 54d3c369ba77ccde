//! The keys. One table: what a key does and what the help says, so that none can go stale. A
//! configuration may give an action other keys than those of the table.

use crossterm::event::KeyCode;

use super::binding::{Action, Binding, Keymap};
use super::key::{self, Key};
use super::view::VIEWS;

const fn letter(letter: char) -> Key {
    key::of(KeyCode::Char(letter))
}

const fn control(letter: char) -> Key {
    key::control(letter)
}

fn on(key: Key, action: Action, help: &'static str) -> Binding {
    Binding {
        name: action.name(),
        keys: vec![key],
        action,
        help,
        footer: "",
    }
}

impl Binding {
    fn or(mut self, other: Key) -> Self {
        self.keys.push(other);
        self
    }

    fn footer(self, footer: &'static str) -> Self {
        Self { footer, ..self }
    }
}

/// Returns the keys as they are unless a configuration says otherwise, in the order of the help;
/// the footer takes them in the same order.
pub(crate) fn keymap() -> Keymap {
    let first = [
        on(letter('q'), Action::Quit, "quit")
            .or(control('c'))
            .footer("quit"),
        on(letter('?'), Action::Help, "show or hide this help")
            .or(key::of(KeyCode::F(1)))
            .footer("help"),
        on(
            key::of(KeyCode::Enter),
            Action::Open,
            "details of the selected descriptor",
        )
        .footer("details"),
        on(
            letter('/'),
            Action::Filter,
            "filter: words, or state=parked and since>5s",
        )
        .footer("filter"),
        on(
            letter(':'),
            Action::Command,
            "command: waiters, fd 42, sort since, columns id,task, where …, save; tab completes",
        )
        .footer("command"),
        on(letter('s'), Action::SortNext, "sort by the next column").footer("sort"),
        on(letter('i'), Action::SortInvert, "invert the order")
            .or(letter('r'))
            .footer("invert"),
        on(letter('z'), Action::Sleeps, "hide sleeps, or show them").footer("sleeps"),
        on(
            letter('a'),
            Action::Aggregate,
            "events one by one, or counted by kind and line",
        )
        .footer("count"),
        on(
            letter('t'),
            Action::Interval,
            "latencies of all time, or of the last interval",
        )
        .footer("interval"),
        on(
            letter('m'),
            Action::OverTime,
            "latencies as they are, or over time",
        )
        .footer("over time"),
        on(
            letter('p'),
            Action::Poller,
            "latencies of all pollers, or of one after the other",
        )
        .footer("poller"),
        on(
            letter(' '),
            Action::Freeze,
            "freeze the picture, or let it go on",
        )
        .footer("freeze"),
        on(
            letter('['),
            Action::TimeBack,
            "an interval earlier, as recorded or remembered",
        )
        .footer("earlier"),
        on(
            letter(']'),
            Action::TimeForth,
            "an interval later, and at last back to now",
        )
        .footer("later"),
        on(
            letter('{'),
            Action::FindingBack,
            "where something was found before",
        ),
        on(
            letter('}'),
            Action::FindingForth,
            "where something was found next",
        ),
        on(
            letter('b'),
            Action::Group,
            "rows one by one, or together by location or task",
        )
        .footer("group"),
        on(letter('c'), Action::Columns, "choose the columns").footer("columns"),
        on(
            key::of(KeyCode::Esc),
            Action::Back,
            "go back: from details, a filter, the past",
        )
        .footer("back"),
        on(
            letter('T'),
            Action::Targets,
            "look at another process, beside this one",
        )
        .footer("processes"),
        on(letter('>'), Action::NextTarget, "the next process"),
        on(letter('<'), Action::PreviousTarget, "the process before"),
        on(
            letter('X'),
            Action::CloseTarget,
            "look no longer at this process",
        ),
        on(
            letter('y'),
            Action::Copy,
            "copy the selected row to the clipboard of the terminal",
        ),
        on(control('s'), Action::Save, "save the table as CSV"),
        on(
            key::of(KeyCode::Left),
            Action::Left,
            "the details of the row before, or the bar",
        )
        .or(letter('h'))
        .footer("before"),
        on(
            key::of(KeyCode::Right),
            Action::Right,
            "the details of the row behind, or the bar",
        )
        .or(letter('l'))
        .footer("behind"),
        on(key::of(KeyCode::Up), Action::Up, "up").or(letter('k')),
        on(key::of(KeyCode::Down), Action::Down, "down").or(letter('j')),
        on(key::of(KeyCode::PageUp), Action::PageUp, "a page up").or(control('b')),
        on(key::of(KeyCode::PageDown), Action::PageDown, "a page down").or(control('f')),
        on(key::of(KeyCode::Home), Action::First, "to the first row").or(letter('g')),
        on(key::of(KeyCode::End), Action::Last, "to the last row").or(letter('G')),
    ];
    let views = VIEWS.iter().enumerate();
    let views = views.map(|(index, view)| Binding {
        name: view.title.to_lowercase(),
        ..on(letter(view.key), Action::View(index), view.help)
    });
    let last = [
        on(key::of(KeyCode::Tab), Action::NextView, "the next view"),
        on(
            key::of(KeyCode::BackTab),
            Action::PreviousView,
            "the view before",
        ),
        on(control('l'), Action::Redraw, "draw the screen anew"),
        on(control('z'), Action::Suspend, "suspend; `fg` comes back"),
    ];
    first.into_iter().chain(views).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::{KeyEvent, KeyModifiers};

    fn bindings() -> Vec<Binding> {
        keymap().bindings().to_vec()
    }

    fn pressed(code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
        keymap().action(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn no_key_is_bound_twice() {
        let keys: Vec<Key> = bindings()
            .into_iter()
            .flat_map(|binding| binding.keys)
            .collect();
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[index + 1..].contains(key), "{key:?}");
        }
    }

    #[test]
    fn every_binding_is_explained_and_can_be_written_in_ascii() {
        for binding in bindings() {
            assert!(!binding.help.is_empty());
            for label in [binding.label(true), binding.labels(true)] {
                assert!(!label.is_empty() && label.is_ascii(), "{binding:?}");
            }
        }
    }

    #[test]
    fn control_tells_keys_apart() {
        let (control, shift) = (KeyModifiers::CONTROL, KeyModifiers::SHIFT);
        assert_eq!(pressed(KeyCode::Char('c'), control), Some(Action::Quit));
        assert_eq!(
            pressed(KeyCode::Char('c'), KeyModifiers::NONE),
            Some(Action::Columns)
        );
        assert_eq!(pressed(KeyCode::Char('G'), shift), Some(Action::Last));
    }

    #[test]
    fn every_action_has_a_name_of_its_own() {
        let names: Vec<String> = bindings().into_iter().map(|it| it.name).collect();
        for (index, name) in names.iter().enumerate() {
            assert!(
                !name.is_empty() && !names[index + 1..].contains(name),
                "{name}"
            );
        }
        for name in ["sort-next", "waiters", "quit"] {
            assert!(names.iter().any(|it| it == name), "{names:?}");
        }
    }

    #[test]
    fn a_key_that_is_given_to_an_action_is_taken_from_the_other() {
        let mut keymap = super::keymap();
        keymap.bind("filter", vec![letter('q')]).expect("an action");
        let press = |letter| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE);
        assert_eq!(keymap.action(press('q')), Some(Action::Filter));
        assert_eq!(keymap.action(press('/')), None);
        let control = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(keymap.action(control), Some(Action::Quit));
        let wrong = keymap.bind("fliter", Vec::new()).expect_err("no action");
        assert!(wrong.contains("did you mean `filter`?"), "{wrong}");
    }
}
