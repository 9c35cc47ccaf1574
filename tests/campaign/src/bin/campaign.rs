//! A campaign of kills, and a line on what became of it. Not how it is run.

use std::process::ExitCode;

use clap::Parser;
use stringphone_campaign::Failure;
use stringphone_campaign::killer::{Arguments, run};

#[tokio::main]
async fn main() -> Result<ExitCode, Failure> {
    let arguments = Arguments::parse();
    let device = std::env::current_exe()?.with_file_name("campaign_device");
    let outcome = run(&arguments, &device).await?;
    eprintln!("{outcome}");
    Ok(match outcome.problem() {
        None => ExitCode::SUCCESS,
        Some(problem) => {
            eprintln!("{problem}\nThe devices' homes are left in {:?}", outcome.folder.keep());
            ExitCode::FAILURE
        }
    })
}
