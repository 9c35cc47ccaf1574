//! A newcomer is let in by a person who compares fingerprints.
//!
//! ```text
//! cargo run --example approve_by_hand
//! ```
//!
//! Both devices are in this process here, so both fingerprints are on one screen; in a house you
//! would walk from one to the other. Each asks a question: answer with `y`, or anything else to turn
//! the other down. Answers are read from stdin, whatever that is:
//!
//! ```text
//! printf 'y\ny\n' | cargo run --example approve_by_hand
//! ```

use std::error::Error;
use std::io::{self, Write};

use futures::StreamExt;
use stringphone::memory::Hub;
use stringphone::{Topic, TopicError, TopicHandle, keyfile};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let hub = Hub::new();
    let gateway = Topic::found("greenhouse", keyfile::ephemeral()?).start()?;
    gateway.attach(hub.port("gateway")).await?;
    let mut introductions = gateway.introductions().await?;

    let sensor = Topic::join("greenhouse", keyfile::ephemeral()?).start()?;
    sensor.attach(hub.port("sensor")).await?;
    println!("The gateway's own display shows {}", gateway.participant().fingerprint());
    println!("The sensor's label says         {}", sensor.participant().fingerprint());

    let newcomer = introductions.next().await.ok_or("the topic stopped")?;
    println!("\nGateway: somebody wants to join, and is {}", newcomer.fingerprint());
    if !yes("Is that what the sensor's label says?")? {
        newcomer.deny().await?;
        return turned_down(&sensor).await;
    }
    newcomer.approve().await?;

    // A newcomer may be lied to as well: the answer is signed, but by whom?
    let answer = sensor.answer().await?;
    println!("\nSensor: somebody gives me a key, and is {}", answer.fingerprint());
    if !yes("Is that what the gateway's display shows?")? {
        sensor.reject(answer.id()).await?;
        return turned_down(&sensor).await;
    }
    sensor.confirm(answer.id()).await?;

    let mut inbox = gateway.subscribe_raw().await?;
    sensor.publish_raw("21.5 °C").await?;
    let message = inbox.next().await.ok_or("the topic stopped")??;
    if message.from != sensor.participant().id() {
        return Err("that is not from the sensor".into());
    }
    println!("\nThe sensor is in, and says {}.", String::from_utf8_lossy(&message.body));
    Ok(())
}

/// Asks, and waits; the topics go on meanwhile, on threads of their own. No answer is a no.
fn yes(question: &str) -> io::Result<bool> {
    print!("{question} [y/N] ");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn turned_down(sensor: &TopicHandle) -> Result<(), Box<dyn Error>> {
    match sensor.publish_raw("21.5 °C").await {
        Err(TopicError::NotReady) => println!("\nThe sensor stays out, without a key."),
        outcome => return Err(format!("the sensor should have no key: {outcome:?}").into()),
    }
    Ok(())
}
