//! An item in the JSON of a stream's record, as the SDK would have given it.

use crate::dynamodb::attributes::{Item, bytes};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::base64;
use serde_json::{Map, Value};

/// The item; `None` if the JSON is none.
pub(super) fn item_of(image: &Value) -> Option<Item> {
    map_of(image.as_object()?)
}

fn map_of(map: &Map<String, Value>) -> Option<Item> {
    let attribute = |(name, value): (&String, &Value)| Some((name.clone(), attribute_of(value)?));
    map.iter().map(attribute).collect()
}

/// Sets are none of ours; an attribute that someone else added may be anything, and is passed over.
fn attribute_of(value: &Value) -> Option<AttributeValue> {
    let (kind, value) = value.as_object()?.iter().next()?;
    let text = || value.as_str().map(str::to_owned);
    Some(match kind.as_str() {
        "S" => AttributeValue::S(text()?),
        "N" => AttributeValue::N(text()?),
        "B" => bytes(base64::decode(value.as_str()?).ok()?),
        "BOOL" => AttributeValue::Bool(value.as_bool()?),
        "L" => {
            let values = value.as_array()?.iter().map(attribute_of);
            AttributeValue::L(values.collect::<Option<_>>()?)
        }
        "M" => AttributeValue::M(map_of(value.as_object()?)?),
        _ => AttributeValue::Null(true),
    })
}
