//! `init` and `whoami`. Not here: topics.

use stringphone::{Identity, Participant};

use super::App;
use crate::failure::Failure;
use crate::report::Report;

pub(super) async fn init(app: &App<'_>) -> Result<(), Failure> {
    app.home.make()?;
    let identity = match app.home.identity()? {
        Some(identity) => identity,
        None => {
            let lock = app.home.lock("init")?;
            app.home.identity_or_new(&lock)?
        }
    };
    tell(app, &identity).await
}

pub(super) async fn whoami(app: &App<'_>) -> Result<(), Failure> {
    app.home.check()?;
    let identity = app.home.identity()?;
    let identity = identity.ok_or_else(|| app.home.empty())?;
    tell(app, &identity).await
}

async fn tell(app: &App<'_>, identity: &Identity) -> Result<(), Failure> {
    let identity = Report::Identity {
        who: (&Participant::new(identity.public_key())).into(),
        home: app.home.folder().display().to_string(),
    };
    app.console.say(&identity).await
}
