//! The commands, one file for each kind. Not here: the command line itself.

mod access;
mod ask;
mod identity;
mod import;
mod join;
mod stay;
mod talk;
mod up;

use crate::cli::{Cli, Command, Protocol};
use crate::console::Console;
use crate::control::Request;
use crate::failure::Failure;
use crate::home::Home;

/// What every command gets.
struct App<'a> {
    home: Home,
    console: &'a Console,
}

pub(crate) async fn run(cli: Cli, console: &Console) -> Result<(), Failure> {
    let app = App { home: Home::at(cli.home)?, console };
    match cli.command {
        Command::Init => identity::init(&app).await,
        Command::Whoami => identity::whoami(&app).await,
        Command::Up(args) => Box::pin(up::up(&app, args)).await,
        Command::Join(args) => Box::pin(join::join(&app, args)).await,
        Command::Send(args) => Box::pin(talk::send(&app, args)).await,
        Command::Listen(args) => Box::pin(talk::listen(&app, args)).await,
        Command::Participants => access::once(&app, Request::Participants).await,
        Command::Trust { key } => {
            let key = key.to_string();
            access::once(&app, Request::Trust { key }).await
        }
        Command::Remove(args) => access::once(&app, Request::Remove { who: args.who }).await,
        Command::Admit(args) => access::running(&app, Request::Admit { who: args.who }).await,
        Command::Deny(args) => access::running(&app, Request::Deny { who: args.who }).await,
        Command::Status => access::running(&app, Request::Status).await,
        Command::Import { file } => import::import(&app, &file).await,
    }
}

impl Protocol {
    /// Speaking Classic has to be somebody's wish.
    fn require(&self, app: &App<'_>, command: &str) -> Result<(), Failure> {
        if self.classic {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "this release speaks only Classic, the original's protocol; say so with --classic: {} \
             {command}; see SECURITY.md for what that means",
            app.home.command()
        )))
    }
}
