//! A state is read back as it was written, or not at all.

use super::*;
use proptest::prelude::*;

fn sample() -> ReadState {
    let mut state = ReadState::start(Phase::Reading);
    state.is_announced = true;
    state.report = Some("{}".to_owned());
    state.digest.update(&[b'x'; 640]);
    let file = b"transaction_id,amount,merchant_id,card_number,what\n";
    let (header, at) = Header::read(file, &crate::csv::Aliases::default()).unwrap();
    state.place = Some(Place { header, at });
    state
}

#[test]
fn a_state_is_read_back() {
    let state = sample();
    let read = ReadState::decode(&state.encode()).unwrap();
    assert_eq!(read.phase, state.phase);
    assert_eq!(read.place, state.place);
    assert_eq!(read.tally, state.tally);
    assert_eq!(read.report, state.report);
    assert_eq!(read.digest.sha256(), state.digest.sha256());
    assert_eq!((read.is_announced, read.hops), (true, 0));
}

#[test]
fn another_version_is_nothing() {
    let mut bytes = sample().encode();
    bytes[0] = VERSION + 1;
    assert!(ReadState::decode(&bytes).is_none());
    assert!(ReadState::decode(&[]).is_none());
}

proptest! {
    #[test]
    fn a_damaged_state_is_nothing(at: prop::sample::Index, flip in 1..=255_u8, cut: prop::sample::Index) {
        let whole = sample().encode();
        let mut flipped = whole.clone();
        flipped[at.index(whole.len())] ^= flip;
        prop_assert!(ReadState::decode(&flipped).is_none());
        prop_assert!(ReadState::decode(&whole[..cut.index(whole.len())]).is_none());
    }

    #[test]
    fn no_bytes_are_a_panic(bytes: Vec<u8>) {
        let _read = ReadState::decode(&bytes);
    }
}
