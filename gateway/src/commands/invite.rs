//! `invite` and `pin`: what lets others in without a question. Not here: those who come.

use std::io::{self, IsTerminal};

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use super::App;
use super::access::{once, running};
use crate::cli::Invite;
use crate::console::columns;
use crate::control::Request;
use crate::failure::Failure;
use crate::report::{Report, Standing};
use crate::via;

pub(super) async fn invite(app: &App<'_>, args: Invite) -> Result<(), Failure> {
    let lifetime_ms = u64::try_from(args.lifetime.as_millis()).unwrap_or(u64::MAX);
    let request = Request::Invite { keeper: args.keeper, lifetime_ms };
    let replied = once(app, args.topic.topic.as_deref(), request).await?;
    for report in replied {
        match &report {
            Report::Invitation { topic, url, role, lifetime_ms } if shown(app) => {
                let role = if *role == Standing::Keeper { "a keeper" } else { "a member" };
                let intro = format!(
                    "Invitation into topic {topic:?} for one device, as {role}, good for {}:\n",
                    words(*lifetime_ms)
                );
                app.console.show(&intro).await?;
                if let Some(code) = code(url.expose()) {
                    app.console.show(&code).await?;
                }
                app.console.say(&report).await?;
                let over_there = format!(
                    "\nWhoever has it can join, once: keep it secret until then. On the device, \
                     paste it where this asks for it:\n\n    {}",
                    command(app, topic, "")?
                );
                app.console.show(&over_there).await?;
            }
            _ => app.console.say(&report).await?,
        }
    }
    Ok(())
}

pub(super) async fn pin(app: &App<'_>, topic: Option<String>) -> Result<(), Failure> {
    let why = "can wait for the device that joins by a PIN";
    for report in running(app, topic.as_deref(), Request::Pin, why).await? {
        match &report {
            Report::Pin { topic, pin, lifetime_ms } if shown(app) => {
                let (first, last) = pin.expose().split_at_checked(3).unwrap_or_default();
                let text = format!(
                    "PIN for topic {topic:?}, for one device, good for {}:\n\n    {first} {last}\n\n\
                     On the device, type it where this asks for it:\n\n    {}",
                    words(*lifetime_ms),
                    command(app, topic, " --pin")?
                );
                app.console.show(&text).await?;
            }
            _ => app.console.say(&report).await?,
        }
    }
    Ok(())
}

/// Whether a person reads it.
fn shown(app: &App<'_>) -> bool {
    !app.console.is_json() && io::stdout().is_terminal()
}

/// What to type over there.
fn command(app: &App<'_>, topic: &str, how: &str) -> Result<String, Failure> {
    let config = app.home.config()?;
    let known = config.topic(topic).map(|(_, how)| via::over_there(how));
    let address = known.unwrap_or_else(|| "ADDRESS".into());
    let named = if how.is_empty() || topic == super::up::TOPIC {
        String::new()
    } else {
        format!(" --topic={}", crate::text::for_shell(topic))
    };
    Ok(format!("stringphone --home ~/lamp join{how}{named} {address}"))
}

fn words(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// As a QR code, where the terminal has room for it; light on dark, as most terminals are.
fn code(url: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(url, EcLevel::L).ok()?;
    let image =
        code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    let width = image.lines().map(|line| line.chars().count()).max()?;
    (width <= columns()?).then_some(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_told_in_words() {
        assert_eq!(words(90_000), "90 s");
        assert_eq!(words(600_000), "10 min");
        assert_eq!(words(86_400_000), "24 h");
        assert_eq!(words(604_800_000), "7 days");
    }
}
