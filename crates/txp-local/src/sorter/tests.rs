//! Whatever the size of the chunks: all records, in order, those of a key as they came.

use super::*;
use proptest::prelude::*;

fn sorted(records: &[(u64, Vec<u8>)], chunk_bytes: usize) -> Vec<(u64, Vec<u8>, u32)> {
    let dir = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::with_chunks_of(dir.path(), "test", chunk_bytes);
    for (number, (hash, key)) in (0_u32..).zip(records) {
        let value = |out: &mut Vec<u8>| out.extend_from_slice(&number.to_le_bytes());
        sorter.push(*hash, key, value).unwrap();
    }
    read(sorter.finish().unwrap())
}

fn read(mut sorted: Sorted) -> Vec<(u64, Vec<u8>, u32)> {
    let mut out = Vec::new();
    while let Some(record) = sorted.next().unwrap() {
        let number = u32::from_le_bytes(record.value.try_into().unwrap());
        out.push((record.hash, record.key.to_vec(), number));
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn chunks_make_no_difference(
        records in prop::collection::vec((0_u64..5, prop::collection::vec(0_u8..3, 0..3)), 0..300),
        chunk_bytes in 1_usize..4000,
    ) {
        let mut expected: Vec<_> = records
            .iter()
            .zip(0_u32..)
            .map(|((hash, key), number)| (*hash, key.clone(), number))
            .collect();
        expected.sort();
        prop_assert_eq!(sorted(&records, chunk_bytes), expected);
    }

    /// Two halves behind each other, and two sorters one of which was filled before the other, are all.
    #[test]
    fn halves_and_sorters_together_make_no_difference(
        records in prop::collection::vec((any::<u64>(), prop::collection::vec(0_u8..3, 0..3)), 0..300),
        chunk_bytes in 1_usize..4000,
        cut in any::<prop::sample::Index>(),
        is_in_one_half in any::<bool>(),
    ) {
        // Few hashes, so that keys meet; those in the middle among them.
        let hash = |hash: u64| match hash % 6 {
            0 | 1 if !is_in_one_half => hash % 6,
            2 if !is_in_one_half => MIDDLE_HASH - 1,
            3 => MIDDLE_HASH,
            n => MIDDLE_HASH + n,
        };
        let records: Vec<_> = records.into_iter().map(|(of, key)| (hash(of), key)).collect();
        let expected = sorted(&records, usize::MAX);
        let cut = cut.index(records.len() + 1);
        let fill = |name, records: &[(u64, Vec<u8>)], first: usize, dir: &Path| {
            let mut sorter = Sorter::with_chunks_of(dir, name, chunk_bytes);
            for (number, (hash, key)) in (first..).zip(records) {
                let number = u32::try_from(number).unwrap().to_le_bytes();
                sorter.push(*hash, key, |out| out.extend_from_slice(&number)).unwrap();
            }
            sorter
        };
        let dir = tempfile::tempdir().unwrap();
        let halves = fill("all", &records, 0, dir.path()).finish_halves().unwrap();
        let [lower, upper] = halves.map(read);
        prop_assert!(lower.iter().all(|record| record.0 < MIDDLE_HASH));
        prop_assert!(upper.iter().all(|record| record.0 >= MIDDLE_HASH));
        prop_assert_eq!([lower, upper].concat(), &expected[..]);
        let first = fill("first", &records[..cut], 0, dir.path());
        let second = fill("second", &records[cut..], cut, dir.path());
        prop_assert_eq!(read(first.finish_with(second).unwrap()), expected);
    }
}

#[test]
fn more_files_than_are_merged_at_once_and_records_larger_than_a_window() {
    let mut records: Vec<_> = (0..500_u64).map(|n| (n % 7, vec![b'k'; 1])).collect();
    records.push((3, vec![b'x'; 60_000]));
    let mut expected: Vec<_> = records
        .iter()
        .zip(0_u32..)
        .map(|((hash, key), number)| (*hash, key.clone(), number))
        .collect();
    expected.sort();
    // A file for each record.
    assert_eq!(sorted(&records, 1), expected);
}

#[test]
fn large_values_come_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::with_chunks_of(dir.path(), "test", 1);
    let value = vec![7_u8; 300_000];
    for _ in 0..3 {
        let write = |out: &mut Vec<u8>| out.extend_from_slice(&value);
        sorter.push(1, b"k", write).unwrap();
    }
    let mut sorted = sorter.finish().unwrap();
    for _ in 0..3 {
        let record = sorted.next().unwrap().unwrap();
        assert_eq!(
            (record.hash, record.key, record.value),
            (1, &b"k"[..], &*value)
        );
    }
    assert_eq!(sorted.next().unwrap(), None);
}

#[test]
fn a_key_over_its_limit_is_refused_and_the_rest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut sorter = Sorter::new(dir.path(), "test");
    sorter.push(1, b"k", |_| ()).unwrap();
    let long = vec![0; 70_000];
    assert!(matches!(
        sorter.push(2, &long, |_| ()),
        Err(SortError::TooLarge { .. })
    ));
    let mut sorted = sorter.finish().unwrap();
    assert_eq!(sorted.next().unwrap().unwrap().key, b"k");
    assert!(sorted.next().unwrap().is_none());
}
