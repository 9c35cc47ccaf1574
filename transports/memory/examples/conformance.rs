//! The hub, held against the claims of every transport: the command that each adapter can have.
//!
//! ```text
//! cargo run -p stringphone-memory --example conformance
//! ```

use std::process::ExitCode;

use async_trait::async_trait;
use stringphone_memory::Hub;
use stringphone_transport::conformance::{self, Ends, Fixture, Pair};

/// A hub for each pair.
struct Ports(Hub);

#[async_trait]
impl Fixture for Ports {
    async fn pair(&mut self) -> Pair {
        self.0 = Hub::new();
        Pair::new(self.0.port("first"), self.0.port("second"))
    }

    async fn cut(&mut self) -> Ends {
        self.0.disconnect_all();
        Ends::Both
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    conformance::main(Ports(Hub::new())).await
}
