//! The keys of objects: where uploads come, and where what is told of them lies.
//!
//! A client's name in an upload's key is for people who look at the bucket: whose an upload is, its
//! record says.

use txp_domain::id::UploadId;

const UPLOADS: &str = "uploads/";
const CSV: &str = ".csv";

/// Where the file of an upload comes.
#[must_use]
pub fn of_upload(client_id: &str, upload_id: UploadId) -> String {
    format!("{UPLOADS}{client_id}/{upload_id}{CSV}")
}

/// The upload that an object is the file of; `None` if its key is not that of an upload.
#[must_use]
pub fn upload_of(key: &str) -> Option<UploadId> {
    let (client_id, name) = key.strip_prefix(UPLOADS)?.split_once('/')?;
    let upload_id = name.strip_suffix(CSV)?;
    UploadId::parse(upload_id.as_bytes()).filter(|_| !client_id.is_empty())
}

/// Where the report of an upload's rejected rows lies.
#[must_use]
pub fn of_rejects(upload_id: UploadId) -> String {
    format!("rejects/{upload_id}{CSV}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_of_an_upload_names_one() {
        let id = UploadId::new(1_780_000_000_000, [1, 2, 3, 4, 5, 6]);
        assert_eq!(upload_of(&of_upload("a client", id)), Some(id));
        for key in [
            String::new(),
            format!("uploads/{id}.csv"),
            format!("uploads//{id}.csv"),
            format!("uploads/c/{id}"),
            format!("uploads/c/d/{id}.csv"),
            format!("uploads/c/../{id}.csv"),
            format!("archive/c/{id}.csv"),
            "uploads/c/aaaa.csv".to_owned(),
        ] {
            assert_eq!(upload_of(&key), None, "{key}");
        }
    }
}
