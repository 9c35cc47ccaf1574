//! A campaign of kills: real processes of devices, a real room or broker, and the claims that are
//! checked once all is quiet. Not a test of the protocol's rules: those are beside the protocol.

pub mod capture;
pub mod check;
pub mod device;
pub mod house;
pub mod journal;
pub mod killer;
mod process;

/// What any part of it can fail with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The topic's name, and its channel's.
pub const TOPIC: &str = "campaign";
