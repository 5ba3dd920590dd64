//! From what a reader says is wrong to the code and the numbers of a violation.

use crate::card::CardFault;
use crate::id::{IDENTIFIER_BYTES_MAX, IdentifierFault};
use crate::money::{AMOUNT_DIGITS_MAX, AmountFault, Currency, CurrencyFault};
use crate::time::TimestampFault;
use crate::violation::{Code, Note};

/// A violation before its column is known.
#[derive(Clone, Copy)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) note: Note,
}

impl Fault {
    pub(super) const fn of(code: Code) -> Self {
        Self {
            code,
            note: Note::None,
        }
    }

    pub(super) fn of_amount(fault: AmountFault, currency: Currency) -> Self {
        match fault {
            AmountFault::Decimals { found } => Self {
                code: Code::AmountDecimals,
                note: Note::Decimals { found, currency },
            },
            other => other.into(),
        }
    }
}

impl From<IdentifierFault> for Fault {
    fn from(fault: IdentifierFault) -> Self {
        match fault {
            IdentifierFault::TooLong { found } => Self {
                code: Code::IdentifierTooLong,
                note: Note::Counts {
                    found,
                    limit: IDENTIFIER_BYTES_MAX as u32,
                },
            },
            IdentifierFault::Character => Self::of(Code::IdentifierCharacter),
            IdentifierFault::Start => Self::of(Code::IdentifierStart),
            IdentifierFault::Empty => Self::of(Code::ValueMissing),
        }
    }
}

impl From<AmountFault> for Fault {
    fn from(fault: AmountFault) -> Self {
        match fault {
            AmountFault::Format => Self::of(Code::AmountFormat),
            AmountFault::Sign => Self::of(Code::AmountSign),
            AmountFault::Exponent => Self::of(Code::AmountExponent),
            AmountFault::Grouping => Self::of(Code::AmountGrouping),
            AmountFault::Decimals { .. } => Self::of(Code::AmountDecimals),
            AmountFault::TooManyDigits { found } => Self {
                code: Code::AmountTooManyDigits,
                note: Note::Counts {
                    found,
                    limit: AMOUNT_DIGITS_MAX,
                },
            },
        }
    }
}

impl From<CurrencyFault> for Fault {
    fn from(fault: CurrencyFault) -> Self {
        Self::of(match fault {
            CurrencyFault::Unknown => Code::CurrencyUnknown,
            CurrencyFault::Case => Code::CurrencyCase,
            CurrencyFault::WithoutMinorUnits => Code::CurrencyWithoutMinorUnits,
        })
    }
}

impl From<TimestampFault> for Fault {
    fn from(fault: TimestampFault) -> Self {
        Self::of(match fault {
            TimestampFault::Format => Code::TimestampFormat,
            TimestampFault::ZoneMissing => Code::TimestampZoneMissing,
            TimestampFault::OutOfRange => Code::TimestampOutOfRange,
            TimestampFault::LeapSecond => Code::TimestampLeapSecond,
            TimestampFault::Precision => Code::TimestampPrecision,
            TimestampFault::Skipped => Code::TimestampSkipped,
            TimestampFault::Ambiguous => Code::TimestampAmbiguous,
            TimestampFault::TooEarly => Code::TimestampTooEarly,
            TimestampFault::TooLate => Code::TimestampTooLate,
        })
    }
}

impl From<CardFault> for Fault {
    fn from(fault: CardFault) -> Self {
        match fault {
            CardFault::Character => Self::of(Code::CardCharacter),
            CardFault::Checksum => Self::of(Code::CardChecksum),
            CardFault::Length { found } => Self {
                code: Code::CardLength,
                note: Note::Count { found },
            },
        }
    }
}
