//! Items of which the table has one each, that several processes change: a write is conditional on the
//! counter that the writer has seen.

use super::Alerts;
use crate::dynamodb::Damage;
use crate::dynamodb::attributes::{Fields, Pen, number, text};
use crate::dynamodb::connection::{conditional, corrupt};
use crate::error::port_error;
use txp_pipeline::port::{PortError, Written};

/// The most bytes of a text in such an item, which has 400 KB at most (DynamoDB's documented limit).
pub(super) const TEXT_BYTES_MAX: usize = 350 << 10;

/// An item by its key, and the attribute that counts its changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Single {
    pub(super) key: &'static str,
    pub(super) counter: &'static str,
}

impl Single {
    /// What the item says by now; `None` if there is none.
    pub(super) async fn read<T>(
        self,
        alerts: &Alerts,
        decode: impl FnOnce(Fields<'_>) -> Result<T, Damage>,
    ) -> Result<Option<T>, PortError> {
        let get = alerts.connection.client().get_item();
        let output = get
            .table_name(&alerts.table)
            .key("alert_id", text(self.key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error(alerts.reading(), error))?;
        let decoded = output.item().map(|item| decode(Fields(item)));
        decoded
            .transpose()
            .map_err(|damage| corrupt(&alerts.table, damage))
    }

    /// Writes the change of this number in the place of the one before it. A write whose answer was lost
    /// looks like another's: whoever looks again finds its own.
    pub(super) async fn write(
        self,
        alerts: &Alerts,
        mut pen: Pen,
        change: u64,
    ) -> Result<Written, PortError> {
        pen.text("alert_id", self.key);
        pen.number(self.counter, change);
        let put = alerts
            .connection
            .client()
            .put_item()
            .table_name(&alerts.table)
            .set_item(Some(pen.0));
        let put = match change.checked_sub(1) {
            None | Some(0) => put.condition_expression("attribute_not_exists(alert_id)"),
            Some(before) => put
                .condition_expression("#counter = :before")
                .expression_attribute_names("#counter", self.counter)
                .expression_attribute_values(":before", number(before)),
        };
        let stored = conditional(put.send().await, || alerts.writing())?;
        Ok(stored.map_or(Written::Conflict, |_| Written::Stored))
    }
}
