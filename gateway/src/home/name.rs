//! File names for topics. Not here: which names topics may have.

use std::fmt::Write as _;

/// A file name for any topic name: no two topics share one, not even where a file system takes
/// capitals for small letters, and none leaves its folder.
pub(super) fn file_name(topic: &str) -> String {
    let mut name = String::new();
    for byte in topic.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => drop(write!(name, "%{byte:02x}")),
        }
    }
    name.push_str(".topic");
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder_and_apart() {
        assert_eq!(file_name("home"), "home.topic");
        assert_eq!(file_name("../../etc/passwd"), "%2e%2e%2f%2e%2e%2fetc%2fpasswd.topic");
        assert_eq!(file_name(".."), "%2e%2e.topic");
        assert_eq!(file_name("a%2f"), "a%252f.topic");
        assert_ne!(file_name("Home").to_lowercase(), file_name("home"));
        assert!(file_name(&"ü".repeat(32)).len() < 255);
    }
}
