//! The body of POST /upload, checked whole: every fault is named with its place.

use super::refusal;
use crate::csv::Aliases;
use crate::document::{FieldFault, Problem, ProblemKind};
use crate::json::Node;
use crate::stage::ingest::shown_file_name;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use txp_domain::event::Defaults;
use txp_domain::money::Currency;
use txp_domain::row::Column;
use txp_domain::time::TimeZone;

/// The longest JSON body that is read.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The largest file of one upload: what S3 takes in one PUT.
pub const UPLOAD_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// The longest file name.
pub(super) const FILENAME_CHARS_MAX: usize = 255;

/// What a client says of a file before it sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UploadRequest {
    /// The file's name, long numbers redacted.
    pub filename: Option<String>,
    /// Exactly so many bytes will come.
    pub content_length: Option<u64>,
    /// With this SHA-256, in lower-case hexadecimal.
    pub sha256: Option<String>,
    /// One bad row refuses the whole file.
    pub strict: bool,
    /// Validate only.
    pub dry_run: bool,
    /// What a row means that does not say.
    pub defaults: Defaults,
    /// Their column name to ours.
    pub columns: BTreeMap<String, String>,
}

impl UploadRequest {
    /// Reads a body that came as this type, for a host that takes files of so many bytes.
    ///
    /// # Errors
    /// It is of another type than JSON, says what it cannot say, or announces a larger file.
    pub fn of(
        body: &[u8],
        content_type: Option<&str>,
        upload_bytes_max: u64,
    ) -> Result<Self, Box<Problem>> {
        if body.len() > BODY_BYTES_MAX {
            return Err(refusal::body_too_large());
        }
        if !body.is_empty() && !content_type.is_some_and(is_json) {
            let detail = "the content-type is not application/json";
            let problem = Problem::new(ProblemKind::UnsupportedMediaType, detail);
            return Err(Box::new(problem));
        }
        let request = Self::read(body)?;
        let announced = request.content_length.unwrap_or(0);
        if announced > upload_bytes_max {
            let detail = "the file is larger than this server takes";
            return Err(Box::new(Problem::new(ProblemKind::TooLarge, detail)));
        }
        Ok(request)
    }

    /// Reads a body; an empty one asks for nothing special.
    ///
    /// # Errors
    /// It is not JSON, or says what it cannot say.
    pub fn read(body: &[u8]) -> Result<Self, Box<Problem>> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let body = serde_json::from_slice(body).map_err(|error| {
            // The words of the parser may quote the body: its place is enough.
            let (line, column) = (error.line(), error.column());
            let detail = format!("it stops being JSON at line {line}, column {column}");
            Box::new(Problem::new(ProblemKind::BadJson, &detail))
        })?;
        let Node::Object(fields) = body else {
            return Err(invalid(vec![FieldFault::new("", "expected an object")]));
        };
        let mut reader = Reader::default();
        let request = reader.request(fields);
        if !reader.faults.is_empty() {
            return Err(invalid(reader.faults));
        }
        Ok(request)
    }

    /// The same for two bodies that ask for the same.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(serde_json::to_vec(self).unwrap_or_default()).into()
    }
}

fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

fn invalid(errors: Vec<FieldFault>) -> Box<Problem> {
    let detail = match errors.as_slice() {
        [one] => format!("{}: {}", one.pointer, one.detail),
        several => format!("{} places are not valid", several.len()),
    };
    Box::new(Problem::new(ProblemKind::InvalidBody, &detail).with_errors(errors))
}

/// Collects the faults of a body.
#[derive(Default)]
struct Reader {
    faults: Vec<FieldFault>,
}

impl Reader {
    fn fault(&mut self, pointer: &str, detail: &str) {
        self.faults.push(FieldFault::new(pointer, detail));
    }

    fn request(&mut self, fields: Vec<(String, Node)>) -> UploadRequest {
        self.each_once("", &fields);
        let mut request = UploadRequest::default();
        for (name, value) in fields {
            match name.as_str() {
                "filename" => request.filename = self.filename(&value),
                "content_length" => request.content_length = self.content_length(&value),
                "sha256" => request.sha256 = self.sha256(&value),
                "strict" => request.strict = self.boolean("/strict", &value),
                "dry_run" => request.dry_run = self.boolean("/dry_run", &value),
                "defaults" => request.defaults = self.defaults(value),
                "columns" => request.columns = self.columns(value),
                _ => self.unknown("", &name),
            }
        }
        request
    }

    /// Of a name that stands twice, readers of JSON take one value or the other.
    fn each_once(&mut self, at: &str, fields: &[(String, Node)]) {
        let mut known = HashSet::new();
        for (name, _) in fields {
            if !known.insert(name.as_str()) {
                let pointer = format!("{at}/{}", escaped(name));
                self.fault(&pointer, "this name is given twice; give it once");
            }
        }
    }

    fn unknown(&mut self, at: &str, name: &str) {
        let pointer = format!("{at}/{}", escaped(name));
        self.fault(&pointer, "this field is not known");
    }

    fn boolean(&mut self, pointer: &str, value: &Node) -> bool {
        if let Node::Bool(value) = value {
            return *value;
        }
        self.fault(pointer, "expected true or false");
        false
    }

    fn filename(&mut self, value: &Node) -> Option<String> {
        match value {
            Node::Text(name) if (1..=FILENAME_CHARS_MAX).contains(&name.chars().count()) => {
                Some(shown_file_name(name))
            }
            _ => {
                self.fault("/filename", "expected a text of 1 to 255 characters");
                None
            }
        }
    }

    fn content_length(&mut self, value: &Node) -> Option<u64> {
        let found = whole_number(value).filter(|bytes| *bytes <= UPLOAD_BYTES_MAX);
        if found.is_none() {
            let detail = format!(
                "expected a whole number from 0 to {}",
                grouped(UPLOAD_BYTES_MAX)
            );
            self.fault("/content_length", &detail);
        }
        found
    }

    fn sha256(&mut self, value: &Node) -> Option<String> {
        match value {
            Node::Text(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Some(text.to_ascii_lowercase())
            }
            _ => {
                self.fault("/sha256", "expected 64 hexadecimal digits");
                None
            }
        }
    }

    fn defaults(&mut self, value: Node) -> Defaults {
        let mut defaults = Defaults::default();
        let Node::Object(fields) = value else {
            self.fault("/defaults", "expected an object");
            return defaults;
        };
        self.each_once("/defaults", &fields);
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("currency", Node::Text(code))
                    if Currency::from_code(code.as_bytes()).is_some() =>
                {
                    defaults.currency = Some(code);
                }
                ("currency", _) => self.fault(
                    "/defaults/currency",
                    "expected a currency of ISO 4217 in upper case, such as USD",
                ),
                ("time_zone", Node::Text(zone)) if TimeZone::parse(zone.as_bytes()).is_some() => {
                    defaults.time_zone = Some(zone);
                }
                ("time_zone", _) => self.fault(
                    "/defaults/time_zone",
                    "expected Z, an offset such as +02:00, or a name such as Europe/Berlin",
                ),
                _ => self.unknown("/defaults", &name),
            }
        }
        defaults
    }

    fn columns(&mut self, value: Node) -> BTreeMap<String, String> {
        let mut columns = BTreeMap::new();
        let Node::Object(fields) = value else {
            self.fault("/columns", "expected an object of your name to ours");
            return columns;
        };
        let mut aliases = Aliases::default();
        for (theirs, ours) in fields {
            let pointer = format!("/columns/{}", escaped(&theirs));
            match ours {
                Node::Text(ours) if is_column(&ours) => match aliases.add(&theirs, &ours) {
                    Ok(()) => {
                        columns.insert(theirs, ours);
                    }
                    Err(fault) => self.fault(&pointer, &fault.to_string()),
                },
                _ => self.fault(&pointer, "expected the name of a column that is read"),
            }
        }
        columns
    }
}

/// By its exact name: what is read from a file is read with more patience.
fn is_column(name: &str) -> bool {
    Column::ALL.iter().any(|column| column.name() == name)
}

/// A number without a fraction; JSON knows no difference between 1 and 1.0.
fn whole_number(value: &Node) -> Option<u64> {
    let number = match value {
        Node::Whole(whole) => return Some(*whole),
        Node::Other(number) => *number,
        _ => return None,
    };
    let is_whole = number.fract() == 0.0 && (0.0..=UPLOAD_BYTES_MAX as f64).contains(&number);
    is_whole.then_some(number as u64)
}

/// A name as it stands in a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A number in groups of three digits: a plain one of this size would be redacted one day.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
