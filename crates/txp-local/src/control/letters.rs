//! Random bytes in letters, for keys and their ids.

use super::ControlError;
use txp_domain::letters::to_letters;

/// So many random bytes in letters.
///
/// # Errors
/// The system gives none.
pub fn random_letters<const N: usize>() -> Result<String, ControlError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| ControlError::NoRandomness)?;
    Ok(to_letters(&bytes))
}
