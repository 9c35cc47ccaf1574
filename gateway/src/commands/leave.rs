//! `leave`: out of a topic, for good. Not here: being put out.

use super::App;
use super::access::{self, Access};
use crate::control::Request;
use crate::failure::Failure;

pub(super) async fn leave(
    app: &App<'_>,
    topic: Option<String>,
    anyway: bool,
) -> Result<(), Failure> {
    let mut access = Access::open(app, "leave", topic.as_deref()).await?;
    let request = Request::Leave { anyway };
    let told = async {
        if let Access::Here(here) = &access {
            here.reach(app).await?;
        }
        access::tell(app, access.ask(request).await?).await
    };
    let told = told.await;
    // Whoever runs the topic forgets it.
    let closed = access.close().await;
    told.and(closed)
}
