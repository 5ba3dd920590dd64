//! Reading and writing the attributes of an item.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;
use std::str::FromStr;

/// An item, as the SDK has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Why an item cannot be read: the attribute at fault. Its value is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the attribute {0} is missing or of another form")]
pub struct Damage(pub(super) &'static str);

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(super) fn number(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn bytes(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// Attributes under construction.
#[derive(Default)]
pub(super) struct Pen(pub(super) Item);

impl Pen {
    pub(super) fn put(&mut self, name: &str, value: AttributeValue) {
        self.0.insert(name.to_owned(), value);
    }

    pub(super) fn text(&mut self, name: &str, value: impl Into<String>) {
        self.put(name, text(value));
    }

    pub(super) fn number(&mut self, name: &str, value: impl ToString) {
        self.put(name, number(value));
    }

    /// Absent if there is no value.
    pub(super) fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Absent if false: most are.
    pub(super) fn flag(&mut self, name: &str, is_set: bool) {
        if is_set {
            self.put(name, AttributeValue::Bool(true));
        }
    }

    /// Absent if empty.
    pub(super) fn list(&mut self, name: &str, values: Vec<AttributeValue>) {
        if !values.is_empty() {
            self.put(name, AttributeValue::L(values));
        }
    }

    pub(super) fn into_map(self) -> AttributeValue {
        AttributeValue::M(self.0)
    }
}

/// The attributes of an item or map.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Item);

impl<'a> Fields<'a> {
    /// The fields of a map inside an item.
    pub(super) fn of(value: &'a AttributeValue, name: &'static str) -> Result<Self, Damage> {
        value.as_m().map(Self).map_err(|_| Damage(name))
    }

    pub(super) fn get(self, name: &str) -> Option<&'a AttributeValue> {
        self.0.get(name)
    }

    pub(super) fn optional_text(self, name: &'static str) -> Result<Option<&'a str>, Damage> {
        let value = self.get(name).map(AttributeValue::as_s).transpose();
        let value = value.map_err(|_| Damage(name))?;
        Ok(value.map(String::as_str))
    }

    pub(super) fn text(self, name: &'static str) -> Result<&'a str, Damage> {
        self.optional_text(name)?.ok_or(Damage(name))
    }

    pub(super) fn optional_number<T: FromStr>(
        self,
        name: &'static str,
    ) -> Result<Option<T>, Damage> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let digits = value.as_n().map_err(|_| Damage(name))?;
        digits.parse().map(Some).map_err(|_| Damage(name))
    }

    pub(super) fn number<T: FromStr>(self, name: &'static str) -> Result<T, Damage> {
        self.optional_number(name)?.ok_or(Damage(name))
    }

    /// A text in the form of its type.
    pub(super) fn parsed<T: FromStr>(self, name: &'static str) -> Result<T, Damage> {
        self.text(name)?.parse().map_err(|_| Damage(name))
    }

    pub(super) fn flag(self, name: &'static str) -> bool {
        self.get(name) == Some(&AttributeValue::Bool(true))
    }

    pub(super) fn list(self, name: &'static str) -> Result<&'a [AttributeValue], Damage> {
        match self.get(name) {
            None => Ok(&[]),
            Some(value) => value.as_l().map(Vec::as_slice).map_err(|_| Damage(name)),
        }
    }

    pub(super) fn bytes(self, name: &'static str) -> Result<&'a [u8], Damage> {
        let value = self.get(name).ok_or(Damage(name))?;
        value.as_b().map(Blob::as_ref).map_err(|_| Damage(name))
    }
}
