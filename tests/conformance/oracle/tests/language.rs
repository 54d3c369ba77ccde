//! Scripts that make no sense are refused with the line and a remedy.

use std::path::Path;

use netpoller_tests::oracle::{compare, parse};

/// The message about a script.
#[track_caller]
fn refusal(text: &str) -> String {
    parse(Path::new("some.txt"), text)
        .expect_err("it makes no sense")
        .to_string()
}

#[test]
fn a_word_that_is_none_is_refused_with_all_that_are() {
    let message = refusal("script x\npair tcp a b\nraed a 1");
    assert!(
        message.starts_with("some.txt:3: `raed` is no word of the language: the words are pair, ")
    );
}

#[test]
fn a_line_that_is_written_wrong_is_refused_with_how_to_write_it() {
    let message = refusal("script x\npair tcp a b\nread a");
    assert_eq!(
        message,
        "some.txt:3: `read a` is not how `read` is written: write `read X N [n*]`"
    );
    assert!(
        refusal("script x\npair tpc a b").contains("pair tcp|unix|unixpacket|unixgram|udp A B")
    );
    assert!(refusal("script x\nshutw").contains("shutr|shutw X"));
}

#[test]
fn a_name_that_is_unknown_is_refused_with_those_that_are() {
    let message = refusal("script x\npair tcp a b\nread c 1");
    assert_eq!(message, "some.txt:3: there is no `c`: here are a, b");
    // Names are fresh in each script.
    assert!(
        refusal("script x\npair tcp a b\nscript y\nread a 1")
            .contains("some.txt:4: there is no `a`")
    );
    assert!(refusal("script x\ndone R").contains("there is no lane `R`: start it first"));
}

#[test]
fn what_a_thing_cannot_do_is_refused() {
    let message = refusal("script x\npipe r w\nwrite r 1");
    assert_eq!(
        message,
        "some.txt:3: `r` is the reading end of a pipe: this line needs something to write to"
    );
    assert!(refusal("script x\nfile f\ngo R read f 1\nparked R").contains("cannot be parked"));
}

#[test]
fn numbers_and_times_that_are_none_are_refused() {
    assert!(refusal("script x\npair tcp a b\nread a many").contains("`many` is no size"));
    assert!(refusal("script x\nsleep 5").contains("`5` is no duration"));
    assert!(refusal("script x\nsleep 99999999999999h").contains("is no duration"));
    assert!(refusal("script x\nudp u\nclose u n*").contains("`n*` has no count to hide"));
    assert!(refusal("script x\nudp u\nread u 1 late").contains("`late` has nothing to compare"));
}

#[test]
fn a_line_before_the_first_script_is_refused() {
    assert!(refusal("# a comment\npair tcp a b").starts_with("some.txt:2: "));
}

#[test]
fn a_script_prints_as_it_was_written() {
    let text = "script x\npair tcp a b\nwdl a +20ms\nwrite a 8000000 n*\n";
    let scripts = parse(Path::new("x"), text).expect("it makes sense");
    assert_eq!(scripts[0].to_string(), text);
    assert!(scripts[0].is_timed());
}

#[test]
fn a_comparison_finds_other_outcomes_missing_lines_and_missing_scripts() {
    let golden = "== x\n  read a 1 -> OK n=1\n  read a 1 -> EOF n=0\n== y\n";
    assert_eq!(compare(golden, golden), []);
    let differs = |found: &str| {
        compare(golden, found)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        differs("== x\n  read a 1 -> OK n=1\n  read a 1 -> HANG\n== y\n"),
        ["== x\n- read a 1 -> EOF n=0\n+ read a 1 -> HANG"]
    );
    assert_eq!(
        differs("== x\n  read a 1 -> OK n=1\n== y\n"),
        ["== x\n- read a 1 -> EOF n=0"]
    );
    assert_eq!(
        differs("== x\n  read a 1 -> OK n=1\n  read a 1 -> EOF n=0\n").len(),
        1
    );
    // Late is no fault of the poller on a busy machine, early is one.
    let late = "== z\n  done R late -> TIMEOUT n=0 ontime\n";
    assert_eq!(compare(late, &late.replace("ontime", "VERYLATE")), []);
    assert_eq!(compare(late, &late.replace("ontime", "EARLY")).len(), 1);
}
