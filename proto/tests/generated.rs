//! The checked-in types are those that the `.proto` files describe.
//!
//! Builds without them, for they may not fit the vocabulary until they are written anew.

use std::path::Path;
use std::{env, fs, process};

use prost::Message;

const TYPES: &str = "netpoller.v1.rs";
const DESCRIPTORS: &str = "netpoller.v1.bin";

#[test]
fn checked_in_types_are_those_of_the_proto_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = env::temp_dir().join(format!("netpoller-proto-{}", process::id()));
    fs::create_dir_all(&scratch).expect("make a scratch directory");

    let descriptors =
        protox::compile(["netpoller/v1/recording.proto"], [root]).expect("compile the files");
    let encoded = descriptors.encode_to_vec();
    tonic_prost_build::configure()
        .out_dir(&scratch)
        .build_transport(false)
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .btree_map(".")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)
        .expect("generate the types");

    let types = fs::read(scratch.join(TYPES)).expect("read the generated file");
    fs::remove_dir_all(&scratch).expect("remove the scratch directory");

    for (name, fresh) in [(TYPES, types), (DESCRIPTORS, encoded)] {
        let checked_in = root.join("src/generated").join(name);
        if env::var_os("UPDATE").is_some_and(|value| value == "1") {
            fs::write(&checked_in, &fresh).expect("write the generated file");
            continue;
        }
        assert!(
            fs::read(&checked_in).unwrap_or_default() == fresh,
            "proto/src/generated/{name} is not what the .proto files describe.\n\
             Write it anew with: UPDATE=1 cargo test -p netpoller-proto --no-default-features --test generated"
        );
    }
}
