//! What every upload link is: how long it lives, which headers its PUT must have, where the file
//! goes. How a link is signed is each host's own.

use super::LINK_SECONDS;
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;

/// The method of a link.
pub const LINK_METHOD: &str = "PUT";

/// The headers that are sent with the file, whatever the link is bound to: nothing is there yet,
/// and it is CSV.
pub const LINK_HEADERS: [(&str, &str); 2] = [("if-none-match", "*"), ("content-type", "text/csv")];

/// Until when a link can be used that is given out now; whole seconds, as signatures have them.
#[must_use]
pub fn link_expiry(now: Timestamp) -> Timestamp {
    let seconds = u64::try_from(now.unix_seconds()).unwrap_or(0);
    Timestamp::from_unix_seconds(seconds + u64::from(LINK_SECONDS)).unwrap_or(now)
}

/// The name that an upload's file is kept under. The client in it is for people: whose an upload is
/// says its record.
#[must_use]
pub fn upload_key(client_id: &str, upload_id: UploadId) -> String {
    format!("uploads/{client_id}/{upload_id}.csv")
}

/// A digest in lower-case hexadecimal.
#[must_use]
pub fn hex_of_digest(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digest that 64 hexadecimal digits stand for.
#[must_use]
pub fn digest_of_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = [0; 32];
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let is_hex = pair.iter().all(u8::is_ascii_hexdigit);
        let digits = std::str::from_utf8(pair).ok().filter(|_| is_hex)?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_read_back_and_nothing_else_is() {
        let digest = std::array::from_fn(|at| at as u8 * 7);
        assert_eq!(digest_of_hex(&hex_of_digest(&digest)), Some(digest));
        for odd in ["", "0", &"0".repeat(62), &"0".repeat(66), &"+1".repeat(32)] {
            assert_eq!(digest_of_hex(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_link_lives_a_quarter_of_an_hour_in_whole_seconds() {
        let now = Timestamp::parse(b"2026-11-23T10:00:00.9Z").unwrap();
        assert_eq!(link_expiry(now).to_string(), "2026-11-23T10:15:00Z");
    }
}
