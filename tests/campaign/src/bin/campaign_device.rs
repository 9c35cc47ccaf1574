//! A device of the campaign, as a process to be killed. Not what it does.

use std::io::{self, Read};
use std::process;
use std::thread;

use clap::Parser;
use stringphone_campaign::{Failure, device};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    // It ends with whoever started it, however that ends.
    thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        process::exit(0)
    });
    device::run(device::Arguments::parse()).await
}
