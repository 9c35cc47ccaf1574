//! Where secrets are left behind: memory, logs, files. Not how they are used.

mod conversation;
mod memory;
mod remains;
mod store;
#[path = "../support/mod.rs"]
mod support;
#[cfg(feature = "tcp")]
mod told;
