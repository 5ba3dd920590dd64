//! An archive as a source, wherever its objects are: in a bucket, or in a folder that one was copied
//! to.
//!
//! What the objects are called and hold is [`crate::stage::archive`]'s to say.

mod object;
mod place;
mod reader;

pub use object::Object;
pub use reader::ArchiveSource;

use crate::port::PortError;

/// The objects of an archive.
pub trait ArchiveObjects {
    /// The days from `from` on, `YYYY-MM-DD`, in order.
    fn days(&self, from: Option<&str>) -> impl Future<Output = Result<Vec<String>, PortError>>;

    /// The objects of a day, in order.
    fn objects(&self, day: &str) -> impl Future<Output = Result<Vec<Object>, PortError>>;

    /// An object as a whole; `None` if there is none of this key.
    fn get(
        &self,
        key: &str,
        bytes_max: u64,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, PortError>>;

    /// Where the object of a key is, for people.
    fn name_of(&self, key: &str) -> String;
}
