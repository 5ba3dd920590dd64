//! Which addresses are the world's: a webhook must not reach into the operator's own network, nor
//! the cloud's metadata service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address that is not the world's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its address is {0}: webhooks go to public addresses only")]
pub struct NotPublic(pub &'static str);

/// Checks an address that a name has resolved to.
///
/// # Errors
/// It is not public, and not loopback where that is allowed.
pub fn check_address(address: IpAddr, loopback_allowed: bool) -> Result<(), NotPublic> {
    let address = address.to_canonical();
    if loopback_allowed && address.is_loopback() {
        return Ok(());
    }
    let why = match address {
        IpAddr::V4(v4) => of_v4(v4),
        IpAddr::V6(v6) => of_v6(v6),
    };
    why.map_or(Ok(()), |why| Err(NotPublic(why)))
}

/// The registry of special addresses of RFC 6890, as far as it is not globally reachable.
fn of_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [127, ..] => Some("loopback"),
        [10, ..] | [192, 168, ..] => Some("private"),
        [172, second, ..] if second & 0xf0 == 16 => Some("private"),
        [169, 254, ..] => Some("link-local"),
        [100, second, ..] if second & 0xc0 == 64 => Some("shared by carriers"),
        [0, ..] => Some("this network"),
        [192, 0, 0, _] => Some("of protocols"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Some("of documentation"),
        [192, 88, 99, _] => Some("a relay"),
        [198, 18 | 19, ..] => Some("of benchmarks"),
        [224..=239, ..] => Some("multicast"),
        [240..=255, ..] => Some("reserved"),
        _ => None,
    }
}

fn of_v6(address: Ipv6Addr) -> Option<&'static str> {
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        of_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("no address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("loopback"),
        // IPv4 in IPv6: as that address.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => embedded(high, low).or(Some("IPv4 in IPv6")),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0x64, 0xff9b, 1, ..] => Some("private"),
        [0x2002, high, low, ..] => embedded(high, low),
        [0x2001, 0, ..] => Some("a tunnel"),
        [0x2001, 0xdb8, ..] => Some("of documentation"),
        [0x100, 0, 0, 0, ..] => Some("for discarding"),
        [first, ..] if first & 0xfe00 == 0xfc00 => Some("private"),
        [first, ..] if first & 0xffc0 == 0xfe80 => Some("link-local"),
        [first, ..] if first & 0xffc0 == 0xfec0 => Some("site-local"),
        [first, ..] if first & 0xff00 == 0xff00 => Some("multicast"),
        _ => None,
    }
}
