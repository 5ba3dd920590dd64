//! The port of what is read from anywhere: files and objects.

use std::io::ErrorKind;
use txp_pipeline::port::ObjectSource;

/// Bytes that are asked for at a time.
const READ_BYTES: usize = 70_000;

/// All that is left of a source.
pub async fn read_on(source: &mut impl ObjectSource) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return all,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => source.more().await.unwrap(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// What is read from an offset is what stands there, to the end; at the end nothing comes, however
/// often it is asked for.
pub async fn an_object_is_read_from_any_offset<S: ObjectSource>(
    open: impl AsyncFn(u64) -> S,
    bytes: &[u8],
) {
    let length = bytes.len();
    for offset in [0, 1, length / 3, length - 1, length] {
        let mut source = open(offset as u64).await;
        let read = read_on(&mut source).await;
        assert_eq!(read.len(), length - offset, "from {offset}");
        assert!(read == bytes[offset..], "from {offset}: other bytes");
        assert_eq!(read_on(&mut source).await, Vec::<u8>::new());
    }
}
