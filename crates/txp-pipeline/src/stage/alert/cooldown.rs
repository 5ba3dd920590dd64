//! Where cooldowns are kept: in one process's memory, or where several processes see them.

use crate::port::{AlertRecord, PortError};
use txp_domain::alert::{Cooldowns, Decision, Digest, Notice};
use txp_domain::rule::AlertPolicy;
use txp_domain::time::Timestamp;

/// A digest that is to be handed on, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueDigest {
    /// The digest.
    pub digest: Digest,
    /// The alerts that it stands for, by id; empty where the ledger knows by itself.
    pub alerts: Vec<String>,
}

impl From<Digest> for DueDigest {
    fn from(digest: Digest) -> Self {
        Self {
            digest,
            alerts: Vec::new(),
        }
    }
}

/// The windows in which further findings of a merchant and rule are gathered.
///
/// The order of calls makes that nothing is lost: a decision, the alert recorded with it, and then
/// [`Self::hold`]. Whoever crashes in between decides again when the finding comes again.
pub trait CooldownStore {
    /// What is to become of a finding; a window opens behind one that is to be sent. Asked again
    /// about a finding that was to be sent, because a crash came before it was recorded, the answer
    /// is the same as long as its window is open. A digest that comes with it was closed early and
    /// is to be handed on.
    fn decide(
        &mut self,
        policy: &AlertPolicy,
        notice: &Notice,
        now: Timestamp,
    ) -> impl Future<Output = Result<(Decision, Option<DueDigest>), PortError>>;

    /// Sees to it that the digest of each of these alerts becomes due, those of them that wait for
    /// one. They are recorded; the same ones may come again.
    fn hold(
        &mut self,
        policy: &AlertPolicy,
        alerts: &[AlertRecord],
        now: Timestamp,
    ) -> impl Future<Output = Result<(), PortError>>;

    /// The digests of windows that have ended, taken: nobody else hands them on for the time that
    /// this takes.
    fn due(
        &mut self,
        policy: &AlertPolicy,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<DueDigest>, PortError>>;

    /// A digest was handed on and its alerts are marked: its next window begins.
    fn handed_on(
        &mut self,
        policy: &AlertPolicy,
        digest: &Digest,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), PortError>>;
}

/// In memory, for the one process that alerts. After a restart it is made again from the table.
impl CooldownStore for Cooldowns {
    async fn decide(
        &mut self,
        policy: &AlertPolicy,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<(Decision, Option<DueDigest>), PortError> {
        let decision = Cooldowns::decide(self, policy, notice, now);
        let early = self.record(policy, notice, decision, now);
        Ok((decision, early.map(DueDigest::from)))
    }

    /// The decision has gathered it.
    async fn hold(
        &mut self,
        _: &AlertPolicy,
        _: &[AlertRecord],
        _: Timestamp,
    ) -> Result<(), PortError> {
        Ok(())
    }

    async fn due(
        &mut self,
        policy: &AlertPolicy,
        now: Timestamp,
    ) -> Result<Vec<DueDigest>, PortError> {
        let due = Cooldowns::due(self, policy, now);
        Ok(due.into_iter().map(DueDigest::from).collect())
    }

    /// Its next window began when it was taken.
    async fn handed_on(
        &mut self,
        _: &AlertPolicy,
        _: &Digest,
        _: Timestamp,
    ) -> Result<(), PortError> {
        Ok(())
    }
}
