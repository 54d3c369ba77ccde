//! The checked-in types are those that the `.proto` file describes.

use std::path::Path;
use std::{env, fs, process};

const GENERATED: &str = "netpoller.v1.rs";

#[test]
fn checked_in_types_are_those_of_the_proto_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = env::temp_dir().join(format!("netpoller-proto-{}", process::id()));
    fs::create_dir_all(&scratch).expect("make a scratch directory");

    let descriptors =
        protox::compile(["netpoller/v1/inspector.proto"], [root]).expect("compile inspector.proto");
    tonic_prost_build::configure()
        .out_dir(&scratch)
        .build_transport(false)
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .btree_map(".")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)
        .expect("generate the types");

    let fresh = fs::read_to_string(scratch.join(GENERATED)).expect("read the generated file");
    fs::remove_dir_all(&scratch).expect("remove the scratch directory");

    let checked_in = root.join("src/generated").join(GENERATED);
    if env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::write(&checked_in, &fresh).expect("write the generated file");
        return;
    }
    let known = fs::read_to_string(&checked_in).unwrap_or_default();
    assert!(
        known == fresh,
        "proto/src/generated/{GENERATED} is not what inspector.proto describes.\n\
         Write it anew with: UPDATE=1 cargo test -p netpoller-proto"
    );
}
