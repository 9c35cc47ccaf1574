//! A campaign of kills: real processes of devices, a real room or broker, and the claims that are
//! checked once all is quiet. Not a test of CI: `cargo xtask soak --only kill` runs it.

pub mod capture;
pub mod check;
pub mod device;
pub mod house;
pub mod journal;
pub mod killer;

/// What any part of it can fail with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The topic's name, and its channel's.
pub const TOPIC: &str = "campaign";
