//! The topics that channels are, and back.
//! Not which of them anybody listens to.

use std::fmt::Write;

use percent_encoding::percent_decode_str;
use stringphone_transport::ChannelName;

/// Names the topics of channels below a prefix.
#[derive(Clone, Debug, Default)]
pub(crate) struct Topics {
    /// With the slash at its end; empty if there is none.
    prefix: String,
}

impl Topics {
    pub(crate) fn below(prefix: &str) -> Self {
        match escaped(prefix.trim_matches('/')) {
            prefix if prefix.is_empty() => Self::default(),
            prefix => Self { prefix: prefix + "/" },
        }
    }

    pub(crate) fn prefix(&self) -> &str {
        self.prefix.trim_end_matches('/')
    }

    pub(crate) fn topic(&self, channel: &ChannelName) -> String {
        format!("{}{}", self.prefix, escaped(channel.as_str()))
    }

    /// The channel of a topic, if it is one.
    pub(crate) fn channel(&self, topic: &str) -> Option<ChannelName> {
        let name = percent_decode_str(topic.strip_prefix(&self.prefix)?).decode_utf8().ok()?;
        ChannelName::try_from(&*name).ok()
    }

    /// The bytes of the longest topic that there can be.
    pub(crate) fn longest(&self) -> usize {
        self.prefix.len() + 3 * ChannelName::MAX
    }
}

/// A text without what no topic may have: wildcards, a `$` in front, which is for the broker's own,
/// and what brokers refuse in UTF-8, which is control characters and what Unicode has no character
/// for.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (at, char) in text.char_indices() {
        let plain = match char {
            '+' | '#' | '%' => false,
            '$' => at > 0,
            '\u{fdd0}'..='\u{fdef}' => false,
            char => !char.is_control() && u32::from(char) & 0xfffe != 0xfffe,
        };
        if plain {
            escaped.push(char);
            continue;
        }
        for byte in char.encode_utf8(&mut [0; 4]).bytes() {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn channel(name: &str) -> ChannelName {
        name.try_into().unwrap()
    }

    #[test]
    fn a_channel_is_the_topic_of_its_name_below_the_prefix() {
        assert_eq!(Topics::default().topic(&channel("greenhouse")), "greenhouse");
        assert_eq!(Topics::below("/home/").topic(&channel("lamp/1")), "home/lamp/1");
        assert_eq!(Topics::below("").topic(&channel("/a//b/")), "/a//b/");
        assert_eq!(Topics::below("a+b").prefix(), "a%2Bb");
    }

    #[test]
    fn what_no_topic_may_have_is_escaped() {
        for (name, topic) in [
            ("$SYS/x$", "%24SYS/x$"),
            ("a+#%\0", "a%2B%23%25%00"),
            ("\u{7f}\u{85}\u{ffff}\u{fdd0}", "%7F%C2%85%EF%BF%BF%EF%B7%90"),
            ("péripétie ☎", "péripétie ☎"),
        ] {
            assert_eq!(Topics::default().topic(&channel(name)), topic);
        }
    }

    #[test]
    fn every_topic_leads_back_to_its_channel_and_stays_within_the_longest() {
        for prefix in ["", "home", "$weird%/x"] {
            let topics = Topics::below(prefix);
            for name in ["x", "$", "a+#%\0%25", "/", "100%/☎", &"%".repeat(64)] {
                let topic = topics.topic(&channel(name));
                assert_eq!(topics.channel(&topic), Some(channel(name)));
                assert!(topic.len() <= topics.longest());
            }
        }
    }

    #[test]
    fn a_topic_elsewhere_is_no_channel() {
        let topics = Topics::below("home");
        for topic in ["homes/x", "x", "home", "home/", "home/%FF"] {
            assert_eq!(topics.channel(topic), None);
        }
    }
}
