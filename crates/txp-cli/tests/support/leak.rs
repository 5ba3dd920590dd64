//! The search for card numbers: digits in any spelling, whatever separates them.

/// The digits of a number as it was planted.
pub(crate) fn digits_of(number: &str) -> String {
    number.chars().filter_map(ascii_digit).collect()
}

fn ascii_digit(c: char) -> Option<char> {
    let full_width = u32::from(c).wrapping_sub(0xff10);
    let arabic = u32::from(c).wrapping_sub(0x0660);
    let persian = u32::from(c).wrapping_sub(0x06f0);
    match c {
        '0'..='9' => Some(c),
        _ => [full_width, arabic, persian]
            .into_iter()
            .find_map(|digit| char::from_digit(digit, 10)),
    }
}

fn is_separator(c: char) -> bool {
    c.is_whitespace() || "-_.:/\u{a0}\u{ad}\u{200b}\0'\"=".contains(c)
}

/// The planted numbers that occur, written without a break, with separators, or in other digits.
pub(crate) fn find(bytes: &[u8], planted: &[String]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut digits = String::with_capacity(text.len() / 4);
    for c in text.chars() {
        if let Some(digit) = ascii_digit(c) {
            digits.push(digit);
        } else if !is_separator(c) && !digits.ends_with('x') {
            digits.push('x');
        }
    }
    let occurs = |number: &&String| digits.contains(number.as_str());
    planted.iter().filter(occurs).cloned().collect()
}

#[test]
fn the_search_finds_every_spelling() {
    let planted = [digits_of("4111 1111 1111 1111")];
    for spelling in [
        "4111111111111111",
        "a 4111-1111-1111-1111 b",
        "4111 1111\u{a0}1111.1111",
        "４１１１１１１１１１１１１１１１",
        "9994111111111111111999",
    ] {
        assert_eq!(find(spelling.as_bytes(), &planted).len(), 1, "{spelling}");
    }
    assert!(find(b"411111111111x1111 4111111111111112", &planted).is_empty());
}
