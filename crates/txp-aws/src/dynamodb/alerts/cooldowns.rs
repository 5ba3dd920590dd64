//! Cooldowns that all processes share: an item `cooldown#{merchant} {rule}` in the table of alerts.
//!
//! - The first finding opens the window by a conditional write; the window remembers its alert, so
//!   who crashed before recording it is told to send it again.
//! - A finding that is held back is recorded first and then *arms* the window: the window stands in
//!   the index `by_waiting` from when it ends on. In this order no alert can wait without a window
//!   that will be looked at.
//! - Whoever finds an armed window ended takes it, by a conditional write that makes it due again a
//!   little later: who takes it and dies only delays it. The digest is of what waits in the index
//!   then; it marks these alerts and no others, so each digest counts what it tells of. Then the
//!   window begins anew, still armed, since more may wait: a lasting storm yields one digest a
//!   cooldown.
//! - A window that is due and has nothing to tell is put away, unless it was armed so lately that the
//!   index may be behind.
//!
//! A process remembers windows that hold back, so that a storm does not read its window for each
//! finding: a window never ends before its time.

mod window;

use super::Alerts;
use crate::dynamodb::attributes::{Fields, Item, Pen, number, text};
use crate::dynamodb::connection::{conditional, corrupt, pass_over};
use crate::error::port_error;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use std::collections::HashMap;
use txp_domain::alert::{Decision, Digest, Notice};
use txp_domain::rule::AlertPolicy;
use txp_domain::time::Timestamp;
use txp_pipeline::port::{AlertRecord, CONFLICT_ATTEMPTS_MAX, ErrorKind, PortError};
use txp_pipeline::stage::alert::{CooldownStore, DueDigest};
use window::{Answer, SECOND, Window, after, due_key, item_key};

/// For so long a window that was taken is not due: handing a digest on takes less.
const TAKEN_SECONDS: u32 = 60;
/// For so long after it was armed a window is not put away: the index is behind for less.
const INDEX_LAG_SECONDS: u32 = 60;
/// The most findings of one digest: their ids are held until they are marked. What waits beyond is
/// told by the next digest, at once.
const DIGEST_FINDINGS_MAX: usize = 10_000;
/// The most digests that one look takes, the ids of their findings in memory; the next look finds the
/// others.
const DIGESTS_AT_ONCE: usize = 16;
/// The most windows of a partition of the index that one look reads: most have nothing to tell.
const LOOKED_AT_MAX: usize = 256;
/// The most windows that a process remembers, some 100 bytes each.
const REMEMBERED_MAX: usize = 4096;

/// The shared cooldowns, and those known to hold back.
#[derive(Clone, Debug)]
pub struct SharedCooldowns {
    alerts: Alerts,
    /// Until when a window holds back, by the item's key.
    holding: HashMap<String, Timestamp>,
}

impl SharedCooldowns {
    /// In the table of these alerts.
    #[must_use]
    pub fn new(alerts: Alerts) -> Self {
        Self {
            alerts,
            holding: HashMap::new(),
        }
    }

    async fn window(&self, key: &str) -> Result<Option<Window>, PortError> {
        let output = self
            .alerts
            .connection
            .client()
            .get_item()
            .table_name(&self.alerts.table)
            .key("alert_id", text(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| port_error(self.alerts.reading(), error))?;
        output.item().map(|item| self.decode(item)).transpose()
    }

    fn decode(&self, item: &Item) -> Result<Window, PortError> {
        Window::decode(Fields(item)).map_err(|damage| corrupt(&self.alerts.table, damage))
    }

    /// Opens a window in place of the one seen, if that is still there; whether it was.
    async fn open(
        &self,
        key: &str,
        notice: &Notice,
        seen: Option<&Window>,
        policy: &AlertPolicy,
        now: Timestamp,
    ) -> Result<bool, PortError> {
        let mut pen = Pen::default();
        pen.text("alert_id", key);
        pen.text("merchant_id", &*notice.merchant_id);
        pen.text("rule", &*notice.rule);
        pen.text("opened_by", &*notice.id);
        pen.number("starts_at", now.unix_millis());
        pen.number("ends_at", after(now, policy.cooldown_seconds).unix_millis());
        let put = self
            .alerts
            .connection
            .client()
            .put_item()
            .table_name(&self.alerts.table)
            .set_item(Some(pen.0));
        let put = match seen {
            None => put.condition_expression("attribute_not_exists(alert_id)"),
            Some(seen) => put
                .condition_expression("ends_at = :seen AND attribute_not_exists(waiting)")
                .expression_attribute_values(":seen", number(seen.ends_at.unix_millis())),
        };
        let stored = conditional(put.send().await, || self.alerts.writing())?;
        Ok(stored.is_some())
    }

    /// Makes a window due when it ends, and one if there is none.
    async fn arm(
        &self,
        notice: &Notice,
        policy: &AlertPolicy,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let key = item_key(&notice.merchant_id, &notice.rule);
        let ends_at = match self.window(&key).await {
            Ok(Some(window)) => window.ends_at,
            Ok(None) => after(now, policy.cooldown_seconds),
            Err(error) if error.kind == ErrorKind::Corrupt => {
                pass_over(&error);
                after(now, policy.cooldown_seconds)
            }
            Err(error) => return Err(error),
        };
        let expression = "SET merchant_id = :merchant, #rule = :rule, armed_at = :now, \
             waiting = :due, waiting_since = if_not_exists(waiting_since, :ends), \
             starts_at = if_not_exists(starts_at, :now), ends_at = if_not_exists(ends_at, :ends)";
        let update = self
            .update(&key)
            .update_expression(expression)
            .expression_attribute_names("#rule", "rule")
            .expression_attribute_values(":merchant", text(&*notice.merchant_id))
            .expression_attribute_values(":rule", text(&*notice.rule))
            .expression_attribute_values(":now", number(now.unix_millis()))
            .expression_attribute_values(":due", text(due_key(&key)))
            .expression_attribute_values(":ends", number(ends_at.unix_millis()));
        let armed = update.send().await;
        armed.map_err(|error| port_error(self.alerts.writing(), error))?;
        Ok(())
    }

    fn update(&self, key: &str) -> UpdateItemFluentBuilder {
        self.alerts
            .connection
            .client()
            .update_item()
            .table_name(&self.alerts.table)
            .key("alert_id", text(key))
    }

    /// Makes a window due at another time, if it is still due when it was; whether it was.
    async fn put_off(
        &self,
        key: &str,
        due_at: Timestamp,
        until: Timestamp,
    ) -> Result<bool, PortError> {
        let update = self
            .update(key)
            .condition_expression("waiting_since = :seen")
            .update_expression("SET waiting_since = :until")
            .expression_attribute_values(":seen", number(due_at.unix_millis()))
            .expression_attribute_values(":until", number(until.unix_millis()));
        let taken = conditional(update.send().await, || self.alerts.writing())?;
        Ok(taken.is_some())
    }

    /// Puts away a window with nothing to tell, unless it is armed meanwhile.
    async fn put_away(&self, key: &str, now: Timestamp) -> Result<(), PortError> {
        let lately = Timestamp(now.0.saturating_sub(i64::from(INDEX_LAG_SECONDS) * SECOND));
        let delete = self
            .alerts
            .connection
            .client()
            .delete_item()
            .table_name(&self.alerts.table)
            .key("alert_id", text(key))
            .condition_expression("armed_at <= :lately")
            .expression_attribute_values(":lately", number(lately.unix_millis()));
        // Where the condition does not hold, it is due again when it would have been without us.
        conditional(delete.send().await, || self.alerts.writing())?;
        Ok(())
    }

    /// Takes a window that is due, if nobody else has, and gathers what it is to tell.
    async fn take(
        &self,
        key: &str,
        window: &Window,
        now: Timestamp,
    ) -> Result<Option<DueDigest>, PortError> {
        let Some(due_at) = window.due_at.filter(|due_at| *due_at <= now) else {
            return Ok(None);
        };
        let taken_until = after(now, TAKEN_SECONDS);
        if !self.put_off(key, due_at, taken_until).await? {
            return Ok(None);
        }
        let (merchant_id, rule) = (&*window.merchant_id, &*window.rule);
        let mut due: Option<DueDigest> = None;
        let gather = |record: AlertRecord| {
            let notice = Notice::of(&record.flagged.finding);
            let due = due.get_or_insert_with(|| Digest::new(&notice, window.starts_at).into());
            due.digest.add(&notice, record.decided_at);
            due.alerts.push(notice.id);
        };
        self.alerts
            .visit_gathered(merchant_id, rule, DIGEST_FINDINGS_MAX, gather)
            .await?;
        if due.is_none() {
            self.put_away(key, now).await?;
        }
        Ok(due)
    }
}

impl CooldownStore for SharedCooldowns {
    async fn decide(
        &mut self,
        policy: &AlertPolicy,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<(Decision, Option<DueDigest>), PortError> {
        if policy.is_too_old(notice.event_time, now) {
            return Ok((Decision::RecordOnly, None));
        }
        if policy.cooldown_seconds == 0 {
            return Ok((Decision::Send, None));
        }
        let key = item_key(&notice.merchant_id, &notice.rule);
        if self.holding.get(&key).is_some_and(|until| now < *until) {
            return Ok((Decision::Digest, None));
        }
        for _ in 0..CONFLICT_ATTEMPTS_MAX {
            let seen = match self.window(&key).await {
                // Who does not know whether to hold back tells.
                Err(error) if error.kind == ErrorKind::Corrupt => {
                    pass_over(&error);
                    return Ok((Decision::Send, None));
                }
                seen => seen?,
            };
            let answer = seen
                .as_ref()
                .map_or(Answer::Open, |seen| seen.answer(&notice.id, now));
            let is_opened = match answer {
                Answer::OpenedByIt => true,
                Answer::HoldsBack => {
                    if self.holding.len() >= REMEMBERED_MAX {
                        self.holding.clear();
                    }
                    if let Some(seen) = seen {
                        self.holding.insert(key, seen.ends_at);
                    }
                    return Ok((Decision::Digest, None));
                }
                Answer::Open => self.open(&key, notice, seen.as_ref(), policy, now).await?,
            };
            if is_opened {
                return Ok((Decision::Send, None));
            }
        }
        let context = "a cooldown was changed by others each time that it was to be opened";
        Err(PortError::new(ErrorKind::Transient, context))
    }

    async fn hold(
        &mut self,
        policy: &AlertPolicy,
        alerts: &[AlertRecord],
        now: Timestamp,
    ) -> Result<(), PortError> {
        let gathered = alerts
            .iter()
            .filter(|alert| alert.decision == Decision::Digest);
        let notices = gathered.map(|alert| Notice::of(&alert.flagged.finding));
        let of_a_window = |notice: Notice| (item_key(&notice.merchant_id, &notice.rule), notice);
        let windows: HashMap<String, Notice> = notices.map(of_a_window).collect();
        for notice in windows.values() {
            self.arm(notice, policy, now).await?;
        }
        Ok(())
    }

    async fn due(&mut self, _: &AlertPolicy, now: Timestamp) -> Result<Vec<DueDigest>, PortError> {
        let mut digests = Vec::new();
        for partition in window::due_keys() {
            let mut items = Vec::new();
            let keep = |item: Item| items.push(item);
            self.alerts
                .visit_waiting(partition, now, LOOKED_AT_MAX, keep)
                .await?;
            for item in items {
                let window = self.decode(&item);
                let key = Fields(&item).text("alert_id");
                let key = key.map_err(|damage| corrupt(&self.alerts.table, damage));
                let (key, window) = match (key, window) {
                    (Ok(key), Ok(window)) => (key, window),
                    // It would keep all others waiting for ever.
                    (Err(error), _) | (_, Err(error)) => {
                        pass_over(&error);
                        continue;
                    }
                };
                digests.extend(self.take(key, &window, now).await?);
                if digests.len() >= DIGESTS_AT_ONCE {
                    return Ok(digests);
                }
            }
        }
        Ok(digests)
    }

    async fn handed_on(
        &mut self,
        policy: &AlertPolicy,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<(), PortError> {
        let key = item_key(&digest.merchant_id, &digest.rule);
        let ends_at = after(now, policy.cooldown_seconds);
        let is_cut = digest.count >= DIGEST_FINDINGS_MAX as u64;
        let due_at = if is_cut { now } else { ends_at };
        let update = self
            .update(&key)
            // As it was taken; where that took too long, whoever took it next begins its window.
            .condition_expression("waiting_since = :taken")
            .update_expression("SET starts_at = :now, ends_at = :ends, waiting_since = :due")
            .expression_attribute_values(":taken", number(after(now, TAKEN_SECONDS).unix_millis()))
            .expression_attribute_values(":now", number(now.unix_millis()))
            .expression_attribute_values(":ends", number(ends_at.unix_millis()))
            .expression_attribute_values(":due", number(due_at.unix_millis()));
        conditional(update.send().await, || self.alerts.writing())?;
        Ok(())
    }
}
