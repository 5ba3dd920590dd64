//! Brands at the ends of ranges, by length, and of numbers that are published for tests.

use super::*;

/// A number with this prefix and length; its check digit plays no part in the brand.
fn number(prefix: &str, length: usize) -> String {
    format!("{prefix:0<length$}")
}

fn brand(prefix: &str, length: usize) -> Brand {
    Brand::of_digits(number(prefix, length).as_bytes())
}

#[test]
fn ranges_are_by_first_digit_and_the_more_specific_comes_first() {
    for (first, ranges) in RANGES.iter().enumerate() {
        let widths: Vec<u32> = ranges.iter().map(|range| range.to - range.from).collect();
        for (at, range) in ranges.iter().enumerate() {
            assert!(range.from <= range.to);
            for end in [range.from, range.to] {
                assert_eq!(usize::try_from(end / 10_000_000).unwrap(), first, "{end}");
            }
            let later = ranges.iter().enumerate().skip(at + 1);
            for (other_at, other) in later {
                let overlap = range.from <= other.to && other.from <= range.to;
                assert!(
                    !overlap || widths[at] < widths[other_at],
                    "{} {}",
                    range.from,
                    other.from
                );
            }
        }
    }
}

#[test]
fn published_prefixes_and_lengths() {
    for (prefix, length, expected) in [
        ("4", 16, Visa),
        ("4", 13, Visa),
        ("4", 19, Visa),
        ("4", 15, Brand::Unknown),
        ("51", 16, Mastercard),
        ("55", 16, Mastercard),
        ("2221", 16, Mastercard),
        ("2720", 16, Mastercard),
        ("2220", 16, Brand::Unknown),
        ("2721", 16, Brand::Unknown),
        ("51", 15, Brand::Unknown),
        ("34", 15, Amex),
        ("37", 15, Amex),
        ("37", 16, Brand::Unknown),
        ("6011", 16, Discover),
        ("644", 16, Discover),
        ("65", 19, Discover),
        ("643", 16, Maestro),
        ("300", 14, Diners),
        ("305", 16, Diners),
        ("3095", 14, Diners),
        ("36", 14, Diners),
        ("39", 14, Diners),
        ("306", 14, Brand::Unknown),
        ("3528", 16, Jcb),
        ("3589", 16, Jcb),
        ("3590", 16, Brand::Unknown),
        ("3088", 16, Jcb),
        ("1800", 15, Jcb),
        ("2131", 16, Jcb),
        ("620", 16, Unionpay),
        ("62", 19, Unionpay),
        ("62", 13, Maestro),
        ("8171", 16, Unionpay),
        ("8172", 16, Brand::Unknown),
        ("5018", 12, Maestro),
        ("586824", 18, Maestro),
        ("6759", 19, Maestro),
        ("6304", 16, Maestro),
        ("493698", 16, Maestro),
        ("401178", 16, Elo),
        ("506699", 16, Elo),
        ("509000", 16, Elo),
        ("636368", 16, Elo),
        ("650031", 16, Elo),
        ("650034", 16, Discover),
        ("655058", 16, Elo),
        ("627780", 16, Elo),
        ("2200", 16, Mir),
        ("2204", 19, Mir),
        ("2205", 16, Brand::Unknown),
        ("637095", 16, Hiper),
        ("63737423", 16, Hiper),
        ("63737424", 16, Maestro),
        ("606282", 16, Hipercard),
        ("0", 16, Brand::Unknown),
        ("1", 17, Brand::Unknown),
        ("7", 16, Brand::Unknown),
        ("9", 16, Brand::Unknown),
    ] {
        assert_eq!(brand(prefix, length), expected, "{prefix} of {length}");
    }
}

#[test]
fn names_are_those_of_serde() {
    for brand in Brand::ALL {
        assert_eq!(
            serde_json::to_string(&brand).unwrap(),
            format!("\"{}\"", brand.name())
        );
        assert_eq!(Brand::from_name(brand.name()), Some(brand));
    }
    assert_eq!(Brand::from_name("Visa"), None);
}

#[test]
fn any_text_has_a_brand_without_panic() {
    for text in [
        "",
        "4",
        "4111111",
        "::::::::::::",
        "\u{ff14}\u{ff14}\u{ff14}",
    ] {
        assert_eq!(Brand::of_digits(text.as_bytes()), Brand::Unknown, "{text}");
    }
    assert_eq!(Brand::of_digits(&[b'4'; 64]), Brand::Unknown);
}
