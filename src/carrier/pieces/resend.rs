//! Frames that left in pieces, for those who lack one: PROTOCOL §1.5. Not here: their first way out.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::wire::{Name, Split};
use crate::transport::ChannelName;

/// Frames that are kept, and their bytes together.
const FRAMES: usize = 16;
const BYTES: usize = 256 * 1024;
/// How long.
const KEPT: Duration = Duration::from_secs(30);
/// Several may lack the same piece, and ask at once: the first is answered.
const PAUSE: Duration = Duration::from_millis(300);
/// Anybody may ask. A frame's pieces leave so many times at most, the first included.
const TIMES: usize = 4;

/// What left in pieces.
#[derive(Debug, Default)]
pub(super) struct Resend {
    sent: VecDeque<Sent>,
}

#[derive(Debug)]
struct Sent {
    channel: Option<ChannelName>,
    split: Split,
    until: Instant,
    /// Pieces that may still be sent again.
    left: usize,
    quiet_until: Instant,
}

impl Resend {
    pub(super) fn keep(&mut self, channel: Option<ChannelName>, split: Split, now: Instant) {
        // The same frame, sent again, is kept anew.
        self.sent.retain(|sent| {
            sent.until > now && (sent.split.name != split.name || sent.channel != channel)
        });
        let left = (usize::from(split.name.last) + 1) * (TIMES - 1);
        self.sent.push_back(Sent { channel, split, until: now + KEPT, left, quiet_until: now });
        let bytes =
            |sent: &VecDeque<Sent>| -> usize { sent.iter().map(|sent| sent.split.len()).sum() };
        while self.sent.len() > FRAMES || bytes(&self.sent) > BYTES {
            self.sent.pop_front();
        }
    }

    /// The pieces that somebody asks for, if they are ours and were not sent too often.
    pub(super) fn answer(
        &mut self,
        channel: Option<&ChannelName>,
        name: Name,
        wanted: &[u8],
        now: Instant,
    ) -> Vec<Bytes> {
        let known = self.sent.iter_mut().find(|sent| {
            sent.split.name == name && sent.channel.as_ref() == channel && sent.until > now
        });
        let Some(sent) = known.filter(|sent| sent.quiet_until <= now) else { return Vec::new() };
        let pieces: Vec<Bytes> = sent.split.some(wanted).take(sent.left).collect();
        if !pieces.is_empty() {
            sent.left -= pieces.len();
            sent.quiet_until = now + PAUSE;
        }
        pieces
    }
}
