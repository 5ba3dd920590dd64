//! Who may see what. What is another's does not exist: it is 404, never 403.

use super::refusal::{no_transaction, no_upload};
use crate::document::{Choice, Problem, ProblemKind};
use txp_domain::event::Merchants;
use txp_domain::id::{UploadId, is_identifier};
use txp_domain::transaction::Transaction;
use txp_domain::upload::Upload;

/// The most merchants that an ambiguous answer lists.
const CHOICES_MAX: usize = 100;

/// The transaction id that a path asks for, decoded.
///
/// # Errors
/// It can be none: then there is no such transaction.
pub fn asked_transaction(text: &str) -> Result<&str, Box<Problem>> {
    let is_one = is_identifier(text.as_bytes());
    Some(text).filter(|_| is_one).ok_or_else(no_transaction)
}

/// The upload that a path asks for, decoded.
///
/// # Errors
/// It can be none: then there is no such upload.
pub fn asked_upload(text: &str) -> Result<UploadId, Box<Problem>> {
    UploadId::parse(text.as_bytes()).ok_or_else(no_upload)
}

/// Whether an upload is a client's own. What is not known to be is not.
#[must_use]
pub fn owns_upload(upload: &Upload, client_id: &str) -> bool {
    let received = upload.received.as_ref();
    received.is_some_and(|received| received.client_id == client_id)
}

/// The one transaction that a client means, out of all merchants' of that id.
///
/// # Errors
/// There is none among the client's merchants, or several.
pub fn visible_transaction(
    transactions: Vec<Transaction>,
    merchants: &Merchants,
    merchant_id: Option<&str>,
) -> Result<Transaction, Box<Problem>> {
    let mut visible: Vec<Transaction> = transactions
        .into_iter()
        .filter(|transaction| may_see(merchants, &transaction.key.merchant_id))
        .filter(|transaction| {
            merchant_id.is_none_or(|wanted| *transaction.key.merchant_id == *wanted)
        })
        .collect();
    match (visible.pop(), visible.len()) {
        (Some(transaction), 0) => Ok(transaction),
        (Some(last), _) => {
            visible.push(last);
            Err(Box::new(ambiguous(&visible)))
        }
        (None, _) => Err(no_transaction()),
    }
}

fn may_see(merchants: &Merchants, merchant_id: &str) -> bool {
    is_identifier(merchant_id.as_bytes())
        && match merchants {
            Merchants::All => true,
            Merchants::Only(names) => names.iter().any(|name| name == merchant_id),
        }
}

fn ambiguous(transactions: &[Transaction]) -> Problem {
    let mut choices: Vec<Choice> = transactions
        .iter()
        .map(|transaction| Choice {
            merchant_id: transaction.key.merchant_id.to_string(),
        })
        .collect();
    choices.sort_by(|a, b| a.merchant_id.cmp(&b.merchant_id));
    choices.truncate(CHOICES_MAX);
    let detail = format!(
        "{} of your merchants have a transaction of this id",
        transactions.len()
    );
    Problem::new(ProblemKind::AmbiguousTransaction, &detail).with_choices(choices)
}
