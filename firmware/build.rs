//! Tells the linker what memory there is. Not here: any code for the device.

use std::path::Path;

fn main() {
    // By rustc's arguments, not by a Cargo configuration file: that would be read only when Cargo is
    // started in this folder.
    println!("cargo:rustc-link-search={}", Path::new(env!("CARGO_MANIFEST_DIR")).display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");
    println!("cargo:rerun-if-changed=memory.x");
}
