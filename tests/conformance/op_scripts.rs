//! Random scripts of operations on streams, against a model. A fuzzer runs the same for longer:
//! `tests/chaos/fuzz`.

use netpoller_tests::op_script;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_comes_out_of_any_script_is_what_the_model_says(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        op_script::run(&bytes);
    }

    /// Short scripts on one pair, where operations meet more often.
    #[test]
    fn on_one_pair_too(ops in prop::collection::vec((0_u8..16, 0_u8..2, any::<u8>()), 0..60)) {
        let bytes: Vec<u8> = ops.into_iter().flat_map(|(op, stream, size)| [op, stream, size]).collect();
        op_script::run(&bytes);
    }
}
