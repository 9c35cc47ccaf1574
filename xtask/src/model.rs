//! `cargo xtask model`: V2 sessions under a model checker (`protocol/model`).

use std::process::Command;

use crate::metadata;
use crate::steps::{Steps, cargo};

const MANIFEST: &str = "protocol/model/Cargo.toml";
/// Takes all cryptography away: for this one package, in a folder of its own.
const NULL_CRYPTO: &str = "--cfg stringphone_null_crypto";

pub(crate) fn run(args: &[&str], steps: &mut Steps) -> Result<(), String> {
    steps.begin("model");
    // The cryptography that takes the place of it has tests of its own, which run in no other build.
    let tests = ["test", "--package", "stringphone-protocol", "--lib", "--features", "model"];
    steps.run(&mut without_cryptography(&[&tests[..], &["primitives"]].concat())?)?;
    let model = ["run", "--release", "--manifest-path", MANIFEST, "--"];
    steps.run(&mut without_cryptography(&[&model[..], args].concat())?)?;
    steps.end();
    Ok(())
}

fn without_cryptography(args: &[&str]) -> Result<Command, String> {
    let mut command = cargo(args);
    command.env("RUSTFLAGS", NULL_CRYPTO);
    command.env("CARGO_TARGET_DIR", metadata::target_dir()?.join("model"));
    Ok(command)
}
