//! Receipts: what a merchant keeps of an upload, signed, so that anyone can check later that this
//! processor said so.
//!
//! What is signed is the receipt without its signature as canonical JSON: keys in order, no white
//! space, which for texts and integers is RFC 8785. The signature is Ed25519 (RFC 8032), which has no
//! randomness: the same upload under the same key has the same receipt, whenever it is asked for.
//! The public key is published as a JWK set (RFC 7517, 8037).
//!
//! Deliberately absent: where the key lies.

use crate::document::{ReceiptDocument, SignatureDocument};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use txp_domain::letters::to_letters;

/// The name of the algorithm, as in RFC 8037.
pub const ALGORITHM: &str = "EdDSA";
/// The bytes of a private key's seed.
pub const SEED_BYTES: usize = 32;
/// The bytes of a public key.
const PUBLIC_BYTES: usize = 32;
/// The bytes of the public key's digest that name it.
const KEY_ID_BYTES: usize = 8;
/// The key of a receipt that is not signed: the signature.
const SIGNATURE: &str = "signature";

/// Signs receipts. What it holds is never shown.
#[derive(Clone)]
pub struct ReceiptKey {
    pair: Arc<Ed25519KeyPair>,
    public: PublicKey,
}

impl std::fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ReceiptKey({})", self.public.key_id())
    }
}

impl ReceiptKey {
    /// From its seed as 64 hexadecimal digits, as the fingerprint key is written; `None` if it is none.
    #[must_use]
    pub fn of_hexadecimal(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text.trim_ascii()).ok()?;
        let pairs = text.as_bytes().as_chunks::<2>().0;
        if text.len() != SEED_BYTES * 2 {
            return None;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let bytes = pairs
            .iter()
            .map(|[high, low]| u8::try_from(digit(*high)? * 16 + digit(*low)?).ok());
        let seed: Vec<u8> = bytes.collect::<Option<_>>()?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).ok()?;
        let public = PublicKey(pair.public_key().as_ref().try_into().ok()?);
        Some(Self {
            pair: Arc::new(pair),
            public,
        })
    }

    /// The key to check with.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a receipt.
    pub fn sign(&self, receipt: &mut ReceiptDocument) {
        receipt.signature = None;
        let signature = self.pair.sign(&canonical(receipt));
        receipt.signature = Some(SignatureDocument {
            algorithm: ALGORITHM.to_owned(),
            key_id: self.public.key_id(),
            value: URL_SAFE_NO_PAD.encode(signature.as_ref()),
        });
    }
}

/// Checks receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; PUBLIC_BYTES]);

impl PublicKey {
    /// Names the key: letters, from its digest.
    #[must_use]
    pub fn key_id(&self) -> String {
        let digest = Sha256::digest(self.0);
        to_letters(digest.get(..KEY_ID_BYTES).unwrap_or_default())
    }

    /// The set of keys that is published.
    #[must_use]
    pub fn published(&self) -> KeySetDocument {
        KeySetDocument {
            keys: vec![KeyDocument {
                kty: "OKP".to_owned(),
                crv: "Ed25519".to_owned(),
                alg: ALGORITHM.to_owned(),
                r#use: "sig".to_owned(),
                kid: self.key_id(),
                x: URL_SAFE_NO_PAD.encode(self.0),
            }],
        }
    }

    /// The public keys in a published set, or in one key of it.
    #[must_use]
    pub fn read(text: &[u8]) -> Vec<Self> {
        let Ok(value) = serde_json::from_slice::<Value>(text) else {
            return Vec::new();
        };
        let one = std::slice::from_ref(&value);
        let keys = value.get("keys").and_then(Value::as_array);
        let keys = keys.map_or(one, Vec::as_slice).iter();
        keys.filter_map(|key| {
            let is_ed25519 = key.get("crv").and_then(Value::as_str) == Some("Ed25519");
            let x = key
                .get("x")
                .and_then(Value::as_str)
                .filter(|_| is_ed25519)?;
            Some(Self(URL_SAFE_NO_PAD.decode(x).ok()?.try_into().ok()?))
        })
        .collect()
    }
}

/// The answer of GET /receipt-key: a JWK set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeySetDocument {
    /// The keys by which receipts can be checked.
    pub keys: Vec<KeyDocument>,
}

/// One key, as a JWK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyDocument {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// `EdDSA`.
    pub alg: String,
    /// `sig`.
    pub r#use: String,
    /// Names the key; a receipt's signature says it.
    pub kid: String,
    /// The key in base64url.
    pub x: String,
}

/// What is wrong with a receipt, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptFault {
    /// The field.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

impl ReceiptFault {
    /// A fault of a field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// The receipts in a text: one by itself, that of an upload's document, or those of a list.
#[must_use]
pub fn receipts_in(value: Value) -> Vec<Value> {
    let Value::Object(mut object) = value else {
        return Vec::new();
    };
    if object.contains_key(SIGNATURE) {
        return vec![Value::Object(object)];
    }
    match (object.remove("receipt"), object.remove("uploads")) {
        (Some(receipt), _) => receipts_in(receipt),
        (None, Some(Value::Array(uploads))) => uploads.into_iter().flat_map(receipts_in).collect(),
        _ => Vec::new(),
    }
}

/// Checks a receipt as it was handed out: its form, that it adds up, and its signature. Nothing
/// that is wrong: it holds.
#[must_use]
pub fn check(receipt: &Value, keys: &[PublicKey]) -> Vec<ReceiptFault> {
    let mut faults = Vec::new();
    match serde_json::from_value::<ReceiptDocument>(receipt.clone()) {
        Err(error) => faults.push(ReceiptFault::new(
            named_field(&error.to_string()),
            "it is missing or of another form",
        )),
        Ok(document) => {
            let counts = document.counts;
            let parts = [
                counts.accepted,
                counts.rejected,
                counts.duplicates,
                counts.conflicts,
            ];
            let sum = parts
                .iter()
                .fold(0_u64, |sum, part| sum.saturating_add(*part));
            if sum != document.rows {
                faults.push(ReceiptFault::new(
                    "counts",
                    format!("they add up to {sum}, rows are {}", document.rows),
                ));
            }
        }
    }
    faults.extend(check_signature(receipt, keys));
    faults
}

/// The field that serde names, in its own words.
fn named_field(message: &str) -> &str {
    message.split('`').nth(1).unwrap_or("receipt")
}

fn check_signature(receipt: &Value, keys: &[PublicKey]) -> Option<ReceiptFault> {
    let signature = receipt.get(SIGNATURE);
    let text = |key: &str| signature.and_then(|s| s.get(key)).and_then(Value::as_str);
    let (Some(key_id), Some(value)) = (text("key_id"), text("value")) else {
        return Some(ReceiptFault::new(SIGNATURE, "there is none"));
    };
    if text("algorithm") != Some(ALGORITHM) {
        let message = format!("it is not {ALGORITHM}");
        return Some(ReceiptFault::new("signature.algorithm", message));
    }
    let Some(key) = keys.iter().find(|key| key.key_id() == key_id) else {
        let message = "it was signed under another key than the one given";
        return Some(ReceiptFault::new("signature.key_id", message));
    };
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(value) else {
        return Some(ReceiptFault::new("signature.value", "it is no base64url"));
    };
    let mut signed = receipt.clone();
    if let Some(object) = signed.as_object_mut() {
        object.remove(SIGNATURE);
    }
    let checked = UnparsedPublicKey::new(&ED25519, key.0).verify(&bytes_of(&signed), &bytes);
    checked.err().map(|_| {
        let message = "it does not match: some field is not as it was signed";
        ReceiptFault::new("signature.value", message)
    })
}

/// Where a receipt says otherwise than what is known of the upload.
#[must_use]
pub fn differences(receipt: &Value, known: &ReceiptDocument) -> Vec<ReceiptFault> {
    let known = serde_json::to_value(known).unwrap_or_default();
    let empty = Map::new();
    let known = known.as_object().unwrap_or(&empty);
    let told = receipt.as_object().unwrap_or(&empty);
    let mut faults = Vec::new();
    for (field, value) in known.iter().filter(|(field, _)| *field != SIGNATURE) {
        if told.get(field) != Some(value) {
            faults.push(ReceiptFault::new(
                field,
                format!("the history says {value}"),
            ));
        }
    }
    for field in told
        .keys()
        .filter(|field| !known.contains_key(*field) && *field != SIGNATURE)
    {
        faults.push(ReceiptFault::new(field, "no receipt has it"));
    }
    faults
}

/// What is signed.
fn canonical(receipt: &ReceiptDocument) -> Vec<u8> {
    bytes_of(&serde_json::to_value(receipt).unwrap_or_default())
}

/// A map of `serde_json` is in the order of its keys.
fn bytes_of(value: &Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The first test vector of RFC 8032, 7.1.
    const SEED: &[u8] = b"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n";
    const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn key() -> ReceiptKey {
        ReceiptKey::of_hexadecimal(SEED).unwrap()
    }

    fn receipt() -> ReceiptDocument {
        serde_json::from_value(json!({
            "version": 1,
            "upload_id": "bcdfghjklmnpqrstbcdfghjk",
            "sha256": "0f".repeat(32),
            "bytes": 2048,
            "rows": 10,
            "counts": { "accepted": 6, "rejected": 2, "duplicates": 1, "conflicts": 1 },
            "sums": { "USD": { "sale": "12.30" } },
            "received_at": "2026-01-02T03:04:05Z",
            "completed_at": "2026-01-02T03:04:06.5Z",
        }))
        .unwrap()
    }

    fn signed() -> Value {
        let mut receipt = receipt();
        key().sign(&mut receipt);
        serde_json::to_value(receipt).unwrap()
    }

    fn fields(receipt: &Value) -> Vec<String> {
        let faults = check(receipt, &[*key().public()]);
        faults.into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn the_key_is_the_one_of_the_rfc() {
        let published = key().public().published();
        assert_eq!(published.keys[0].x, PUBLIC);
        let text = serde_json::to_vec(&published).unwrap();
        assert_eq!(PublicKey::read(&text), [*key().public()]);
        let one = serde_json::to_vec(&published.keys[0]).unwrap();
        assert_eq!(PublicKey::read(&one), [*key().public()]);
        assert!(PublicKey::read(b"{}").is_empty() && PublicKey::read(b"x").is_empty());
        for bad in [
            &b""[..],
            b"9d61",
            &[b'g'; 64],
            &[b'a'; 66],
            "\u{e9}".repeat(32).as_bytes(),
        ] {
            assert!(ReceiptKey::of_hexadecimal(bad).is_none());
        }
    }

    #[test]
    fn what_is_signed_holds_and_is_the_same_every_time() {
        assert_eq!(fields(&signed()), Vec::<String>::new());
        assert_eq!(signed(), signed());
        let wrapped = json!({ "uploads": [{ "receipt": signed() }, { "receipt": null }] });
        assert_eq!(receipts_in(wrapped), [signed()]);
        assert_eq!(receipts_in(json!({ "receipt": signed() })), [signed()]);
        assert!(receipts_in(json!([1])).is_empty());
    }

    /// Whatever is changed, added or taken away.
    #[test]
    fn no_field_can_be_changed() {
        let receipt = signed();
        for field in receipt
            .as_object()
            .unwrap()
            .keys()
            .filter(|f| *f != "signature")
        {
            for value in [json!("x"), json!(7), Value::Null] {
                let mut changed = receipt.clone();
                changed[field] = value;
                assert!(!fields(&changed).is_empty(), "{field}");
            }
            let mut without = receipt.clone();
            without.as_object_mut().unwrap().remove(field);
            assert!(!fields(&without).is_empty(), "{field}");
        }
        let mut added = receipt.clone();
        added["note"] = json!("paid");
        assert_eq!(fields(&added), ["signature.value"]);
        let mut counts = receipt.clone();
        counts["counts"]["accepted"] = json!(7);
        assert_eq!(fields(&counts), ["counts", "signature.value"]);
        let mut none = receipt.clone();
        none["signature"] = Value::Null;
        assert_eq!(fields(&none), ["signature"]);
        let mut other = receipt.clone();
        other["signature"]["key_id"] = json!("b");
        assert_eq!(fields(&other), ["signature.key_id"]);
        let mut algorithm = receipt;
        algorithm["signature"]["algorithm"] = json!("none");
        assert_eq!(fields(&algorithm), ["signature.algorithm"]);
    }

    #[test]
    fn what_differs_from_the_history_is_named() {
        let mut changed = signed();
        changed["rows"] = json!(11);
        changed["note"] = json!("x");
        let faults = differences(&changed, &receipt());
        let named: Vec<_> = faults.iter().map(|fault| &*fault.field).collect();
        assert_eq!(named, ["rows", "note"]);
        assert!(differences(&signed(), &receipt()).is_empty());
    }
}
