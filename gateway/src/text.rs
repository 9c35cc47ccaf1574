//! Text that is safe where it goes: terminals, JSON lines, shells, file names. Not here: what it
//! says.

use std::fmt::Write as _;

/// Whether this character can do something to a terminal, or to the order of what it shows.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            // Controls of direction and the like, and what shows nothing or only a blank.
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Whether a terminal shows this text as it is, on one line.
pub(crate) fn is_printable(text: &str) -> bool {
    !text.chars().any(is_harmful)
}

/// The text with everything escaped that a terminal would obey; line ends are kept.
pub(crate) fn for_terminal(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '\n' && is_harmful(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// The same, with line ends escaped as well: for what others chose, within a line of ours.
pub(crate) fn in_line(text: &str) -> String {
    for_terminal(text).replace('\n', "\\u{a}")
}

/// A line in rows that fit the terminal, all but the first marked: where the terminal itself
/// wrapped it, what others say could be made to look like a line of ours.
pub(crate) fn in_rows(line: &str, columns: usize) -> String {
    const MARK: &str = "    | ";
    let mut rows = String::with_capacity(line.len());
    let mut column = 0;
    for character in line.chars() {
        if character == '\n' {
            rows.push(character);
            column = 0;
            continue;
        }
        // Beyond ASCII some are as wide as two, and it does no harm to take all for such.
        let width = if character.is_ascii() { 1 } else { 2 };
        // At least one on each row, however narrow the terminal.
        if column > MARK.len() && column + width > columns {
            rows.push('\n');
            rows.push_str(MARK);
            column = MARK.len();
        }
        rows.push(character);
        column += width;
    }
    rows
}

/// One line of JSON, which a terminal may well be shown: JSON itself lets through what is harmful
/// beyond ASCII.
pub(crate) fn json_line<T: serde::Serialize>(value: &T) -> Result<String, serde_json::Error> {
    let json = serde_json::to_string(value)?;
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        if is_harmful(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(character);
        }
    }
    Ok(safe)
}

/// A word as a shell takes it.
pub(crate) fn for_shell(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:@%+,=".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let (digits, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits.iter().map(|[high, low]| u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        let nasty = "a\u{1b}[2J\u{9b}31m\u{202e}b\r\u{7f}\u{e0041}";
        assert!(!is_printable(nasty));
        for safe in [for_terminal(nasty), json_line(&nasty).unwrap(), json_line(&[nasty]).unwrap()]
        {
            assert!(is_printable(&safe), "{safe}");
        }
        let json = json_line(&nasty).unwrap();
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), nasty);
        assert_eq!(in_line("lamp\n* all is well"), "lamp\\u{a}* all is well");
    }

    #[test]
    fn what_is_invisible_is_escaped() {
        for range in
            ["\u{34f}", "\u{115f}", "\u{1160}", "\u{2800}", "\u{3164}", "\u{e0100}", "\u{e01ef}"]
        {
            assert!(!is_printable(range), "{}", range.escape_unicode());
        }
    }

    #[test]
    fn only_the_first_row_of_a_line_is_not_marked() {
        assert_eq!(in_rows("short", 10), "short");
        assert_eq!(in_rows("0123456789* all", 10), "0123456789\n    | * al\n    | l");
        assert_eq!(in_rows("01234567ää", 10), "01234567ä\n    | ä");
        assert_eq!(in_rows("01234567\n01234567", 10), "01234567\n01234567");
        let narrow = in_rows("01234567", 0);
        assert_eq!(narrow, "0123456\n    | 7", "no row without a character");
    }

    #[test]
    fn a_shell_takes_a_word_as_one() {
        assert_eq!(for_shell("home"), "home");
        assert_eq!(for_shell("a b"), "'a b'");
        assert_eq!(for_shell("it's; rm -rf"), r"'it'\''s; rm -rf'");
        assert_eq!(for_shell(""), "''");
    }

    #[test]
    fn hex_goes_there_and_back() {
        assert_eq!(unhex(&hex(&[0, 171, 255])).unwrap(), [0, 171, 255]);
        assert!(unhex("abc").is_none() && unhex("zz").is_none());
    }
}
