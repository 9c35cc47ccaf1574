//! The commands, one file for each kind. Not here: the command line itself.

mod access;
mod ask;
mod entry;
mod identity;
mod import;
mod invite;
mod join;
mod keep;
mod leave;
mod passphrase;
#[cfg(feature = "serial")]
mod ports;
mod recover;
mod relay;
mod stay;
mod talk;
mod up;
mod waiting;

use std::path::PathBuf;

use crate::cli::{Anywhere, Cli, Command};
use crate::console::Console;
use crate::control::Request;
use crate::ends::Ends;
use crate::failure::Failure;
use crate::home::{Config, Home, Origin, Protocol, TopicConfig};

/// What every command gets.
struct App<'a> {
    home: Home,
    passphrase_file: Option<PathBuf>,
    console: &'a Console,
}

impl App<'_> {
    /// The links of the addresses that the home remembers.
    fn remembered(&self, how: &TopicConfig) -> Result<Ends, Failure> {
        let peers = how.relay.as_ref().map(|relay| relay.peers.as_slice());
        Ends::open(&how.via, peers.unwrap_or_default()).map_err(|error| {
            let file = self.home.config_file();
            Failure::failed(format!(
                "{}: {error}. Correct it there, or give all addresses anew with --via",
                file.display()
            ))
        })
    }
}

pub(crate) async fn run(cli: Cli, console: &Console) -> Result<(), Failure> {
    match cli.command {
        Anywhere::AtHome(command) => {
            let (home, passphrase_file) = (Home::at(cli.home)?, cli.passphrase_file);
            at_home(&App { home, passphrase_file, console }, command).await
        }
        Anywhere::Relay(args) => Box::pin(relay::relay(console, args)).await,
    }
}

async fn at_home(app: &App<'_>, command: Command) -> Result<(), Failure> {
    match command {
        Command::Init(args) => identity::init(app, args).await,
        Command::Whoami => identity::whoami(app).await,
        Command::Passphrase(args) => passphrase::passphrase(app, args).await,
        Command::Up(args) => Box::pin(up::up(app, args)).await,
        Command::Invite(args) => invite::invite(app, args).await,
        Command::Pin(args) => invite::pin(app, args.topic).await,
        Command::Join(args) => Box::pin(join::join(app, args)).await,
        Command::Send(args) => Box::pin(talk::send(app, args)).await,
        Command::Listen(args) => Box::pin(talk::listen(app, args)).await,
        Command::Outbox(args) => {
            let request = args.give_up.map_or(Request::Outbox, |number| Request::GiveUp { number });
            ask(app, args.topic.topic, request).await
        }
        Command::Recover(args) => recover::recover(app, args).await,
        Command::Inbox(args) => keep::inbox(app, args).await,
        Command::Members(args) => ask(app, args.topic, Request::Members).await,
        Command::Evict(args) => ask(app, args.topic.topic, Request::Evict { who: args.who }).await,
        Command::Appoint(args) => {
            ask(app, args.topic.topic, Request::Appoint { who: args.who }).await
        }
        Command::Rotate(args) => ask(app, args.topic, Request::Rotate).await,
        Command::Leave { topic, anyway } => leave::leave(app, topic.topic, anyway).await,
        Command::Trust { key } => ask(app, None, Request::Trust { key: key.to_string() }).await,
        Command::Remove(args) => ask(app, None, Request::Remove { who: args.who }).await,
        Command::Admit(args) => access::tell_running(app, Request::Admit { who: args.who }).await,
        Command::Deny(args) => access::tell_running(app, Request::Deny { who: args.who }).await,
        #[cfg(feature = "serial")]
        Command::Ports => ports::ports(app).await,
        Command::Status => access::tell_running(app, Request::Status).await,
        Command::Import { file } => import::import(app, &file).await,
    }
}

async fn ask(app: &App<'_>, topic: Option<String>, request: Request) -> Result<(), Failure> {
    access::tell_once(app, topic.as_deref(), request).await
}

/// How this home is in a topic, or will be: a topic speaks one protocol for good.
fn known(
    config: &Config,
    topic: &str,
    classic: bool,
    origin: Origin,
) -> Result<TopicConfig, Failure> {
    let wanted = if classic { Protocol::Classic } else { Protocol::V2 };
    let Some((_, how)) = config.topic(topic) else {
        return Ok(TopicConfig::new(wanted, origin));
    };
    if classic && how.protocol != Protocol::Classic {
        return Err(Failure::failed(format!(
            "topic {topic:?} does not speak Classic, and a topic keeps its protocol: leave \
             --classic out, or choose another name with --topic"
        )));
    }
    Ok(how.clone())
}
