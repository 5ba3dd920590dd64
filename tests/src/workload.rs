//! Uploads made from a seed: valid, invalid, repeated and conflicting rows, chargebacks before and
//! after what they dispute, refunds, several merchants, hot cards, equal event times.

use crate::model::{Content, Row};
use crate::random::Random;
use std::fmt::Write;
use txp_domain::card::Fingerprinter;
use txp_domain::event::{Merchants, SourceFile, UploadOptions, UploadReceived};
use txp_domain::id::UploadId;
use txp_domain::time::Timestamp;

/// When the first upload arrives, Unix seconds.
const FIRST_ARRIVAL_SECONDS: u64 = 1_780_000_000;

const MERCHANTS: [&str; 3] = ["shop-a", "shop-b", "shop-c"];
const CURRENCIES: [&str; 5] = ["USD", "USD", "USD", "EUR", "JPY"];

/// The most sales of one card: redelivered ones are recognised as long as no more came between.
pub const SALES_PER_CARD_MAX: usize = 32;

/// One upload.
#[derive(Clone, Debug)]
pub struct Upload {
    /// What it is called.
    pub id: UploadId,
    /// When it arrived, Unix seconds.
    pub arrival_seconds: u64,
    /// Which fingerprint key was current.
    pub fingerprint_key: u8,
    /// The file.
    pub csv: String,
    /// What it means.
    pub rows: Vec<Row>,
}

/// Uploads, and the card numbers that must never be seen again.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The uploads, in the order of their ids.
    pub uploads: Vec<Upload>,
    /// The numbers as digits.
    pub planted: Vec<String>,
}

/// A row on its way into the file.
#[derive(Clone, Debug)]
struct Draft {
    transaction: String,
    merchant: &'static str,
    content: Content,
    fault: Option<Fault>,
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug)]
enum Fault {
    AmountSign,
    CardChecksum,
    TransactionId,
    Currency,
    SelfReference,
    Fields,
}

const FAULTS: [Fault; 6] = [
    Fault::AmountSign,
    Fault::CardChecksum,
    Fault::TransactionId,
    Fault::Currency,
    Fault::SelfReference,
    Fault::Fields,
];

impl Fault {
    fn codes(self) -> Vec<&'static str> {
        vec![match self {
            Self::AmountSign => "amount_sign",
            Self::CardChecksum => "card_checksum",
            Self::TransactionId => "identifier_character",
            Self::Currency => "currency_unknown",
            Self::SelfReference => "self_reference",
            Self::Fields => "field_count",
        }]
    }

    fn hides_the_ids(self) -> bool {
        matches!(self, Self::TransactionId | Self::Fields)
    }
}

impl Workload {
    /// The workload of a seed: `uploads` files of up to `rows` records each.
    #[must_use]
    pub fn new(random: &mut Random, uploads: usize, rows: usize) -> Self {
        let cards: Vec<String> = (0..random.between(2, 8)).map(|_| card(random)).collect();
        let mut maker = Maker {
            sales: vec![0; cards.len()],
            transactions: random.between(rows / 6 + 1, rows + 1),
            has_storm: random.permille(400),
            faults_permille: *random.pick(&[0, 120, 400]),
            cards,
            drafts: Vec::new(),
        };
        let two_keys = random.permille(250);
        let uploads = (0..uploads).map(|at| {
            let arrival_seconds = FIRST_ARRIVAL_SECONDS + at as u64 * 60;
            let bytes = random.draw().to_be_bytes();
            let [a, b, c, d, e, f, ..] = bytes;
            let id = UploadId::new(arrival_seconds * 1000, [a, b, c, d, e, f]);
            let fingerprint_key = u8::from(two_keys && random.permille(400));
            maker.upload(random, id, arrival_seconds, fingerprint_key, rows)
        });
        let uploads = uploads.collect();
        Self {
            uploads,
            planted: maker.cards,
        }
    }

    /// Every row of every upload.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.uploads.iter().flat_map(|upload| &upload.rows)
    }
}

impl Upload {
    /// The event that announces it.
    #[must_use]
    pub fn received(&self) -> UploadReceived {
        UploadReceived {
            upload_id: self.id,
            uploaded_at: Timestamp::from_unix_seconds(self.arrival_seconds).unwrap(),
            trace: None,
            client_id: "local".to_owned(),
            file: SourceFile {
                name: "file.csv".to_owned(),
                bytes: Some(self.csv.len() as u64),
                identity: None,
            },
            options: UploadOptions::default(),
            merchants: Merchants::All,
        }
    }

    /// What its cards' fingerprints are made with.
    #[must_use]
    pub fn fingerprinter(&self) -> Fingerprinter {
        fingerprinter(self.fingerprint_key)
    }
}

/// What fingerprints are made with under a key.
#[must_use]
pub fn fingerprinter(key: u8) -> Fingerprinter {
    Fingerprinter::new([key; 32])
}

struct Maker {
    cards: Vec<String>,
    sales: Vec<usize>,
    transactions: usize,
    /// Whether one id is sent again and again with other contents.
    has_storm: bool,
    faults_permille: u32,
    /// What was sent, to be sent again.
    drafts: Vec<Draft>,
}

impl Maker {
    fn upload(
        &mut self,
        random: &mut Random,
        id: UploadId,
        arrival_seconds: u64,
        fingerprint_key: u8,
        rows: usize,
    ) -> Upload {
        let mut csv = String::from(
            "transaction_id,amount,merchant_id,card_number,timestamp,currency,type,original_transaction_id,terminal_id,country,mcc\n",
        );
        let mut meant = Vec::new();
        for record in 1..=random.between(1, rows) as u64 {
            let mut draft = self.draft(random, arrival_seconds);
            draft.content.uploaded_seconds = arrival_seconds;
            draft.content.fingerprint_key = fingerprint_key;
            write_row(random, &draft, &mut csv);
            meant.push(draft.row((id.to_string(), record)));
            draft.fault = None;
            self.drafts.push(draft);
        }
        Upload {
            id,
            arrival_seconds,
            fingerprint_key,
            csv,
            rows: meant,
        }
    }

    fn draft(&mut self, random: &mut Random, arrival_seconds: u64) -> Draft {
        if !self.drafts.is_empty() && random.permille(250) {
            let mut again = random.pick(&self.drafts).clone();
            if random.permille(400) {
                self.change(random, &mut again.content);
            }
            return again;
        }
        if self.has_storm && random.permille(250) {
            let mut stormy = self.new_draft(random, arrival_seconds);
            stormy.merchant = MERCHANTS[0];
            "STORM".clone_into(&mut stormy.transaction);
            if stormy.content.original.as_deref() == Some("STORM") {
                stormy.content.original = Some("T0".to_owned());
            }
            return stormy;
        }
        let mut draft = self.new_draft(random, arrival_seconds);
        if random.permille(self.faults_permille) {
            draft.fault = Some(*random.pick(&FAULTS));
            if let Some(Fault::SelfReference) = draft.fault {
                // Only a dispute must not name itself.
                draft.content.kind = "chargeback";
                draft.content.original = Some("other".to_owned());
            }
        }
        draft
    }

    fn new_draft(&mut self, random: &mut Random, arrival_seconds: u64) -> Draft {
        let transaction = format!("T{}", random.below(self.transactions));
        let merchant = if self.has_storm {
            MERCHANTS[0]
        } else {
            *random.pick(&MERCHANTS)
        };
        let mut at = if random.permille(500) {
            0
        } else {
            random.below(self.cards.len())
        };
        let mut kind = match random.below(10) {
            0 => "refund",
            1 | 2 => "chargeback",
            _ => "sale",
        };
        if kind == "sale" {
            if self.sales[at] >= SALES_PER_CARD_MAX {
                at = self
                    .sales
                    .iter()
                    .position(|n| *n < SALES_PER_CARD_MAX)
                    .unwrap_or(at);
            }
            if self.sales[at] >= SALES_PER_CARD_MAX {
                kind = "refund";
            } else {
                self.sales[at] += 1;
            }
        }
        let original = self.original(random, kind, &transaction);
        let card = self.cards[at].clone();
        let content = Content {
            amount: amount(random),
            currency: random.pick::<&str>(&CURRENCIES),
            kind,
            brand: if card.starts_with('4') {
                "visa"
            } else {
                "mastercard"
            },
            card,
            fingerprint_key: 0,
            original,
            terminal: random
                .permille(300)
                .then(|| format!("term-{}", random.below(3))),
            country: random.permille(300).then(|| *random.pick(&["DE", "US"])),
            mcc: random.permille(300).then_some("5411"),
            // Few different times: many are equal.
            seconds: random
                .permille(850)
                .then(|| arrival_seconds - 120 * random.below(12) as u64),
            uploaded_seconds: arrival_seconds,
        };
        Draft {
            transaction,
            merchant,
            content,
            fault: None,
        }
    }

    /// What a chargeback, or every other refund, is about: another transaction.
    fn original(&self, random: &mut Random, kind: &str, transaction: &str) -> Option<String> {
        (kind == "chargeback" || (kind == "refund" && random.permille(500)))
            .then(|| {
                if self.has_storm && random.permille(700) {
                    "STORM".to_owned()
                } else {
                    format!("T{}", random.below(self.transactions))
                }
            })
            .map(|original| {
                if original == transaction {
                    "other".to_owned()
                } else {
                    original
                }
            })
    }

    fn change(&self, random: &mut Random, content: &mut Content) {
        match random.below(5) {
            0 => content.amount = amount(random),
            1 => content.terminal = Some(format!("term-{}", random.below(20))),
            2 => content.mcc = Some("5999"),
            3 => content.seconds = content.seconds.map(|seconds| seconds - 1),
            _ => content.country = Some("FR"),
        }
    }
}

impl Draft {
    fn row(&self, event: (String, u64)) -> Row {
        let key = (self.merchant.to_owned(), self.transaction.clone());
        let is_hidden = self.fault.is_some_and(Fault::hides_the_ids);
        Row {
            event,
            key: (!is_hidden).then_some(key),
            outcome: match self.fault {
                Some(fault) => Err(fault.codes()),
                None => Ok(self.content.clone()),
            },
        }
    }
}

fn amount(random: &mut Random) -> u64 {
    match random.below(12) {
        0 => 1_000_000 + random.below(1_000_000) as u64,
        1 => random.below(100) as u64,
        // At the thresholds.
        2 => *random.pick(&[0, 90, 99, 100, 900_000, 900_001, 1_000_000, 1_000_001]),
        _ => 100 + random.below(9_000) as u64,
    }
}

/// A card number of 16 digits that no real card has: the account part is random.
fn card(random: &mut Random) -> String {
    let mut digits = (*random.pick(&["4", "51"])).to_owned();
    while digits.len() < 15 {
        write!(digits, "{}", random.below(10)).unwrap();
    }
    for check in 0..10 {
        let whole = format!("{digits}{check}");
        if luhn(&whole) {
            return whole;
        }
    }
    unreachable!("one of ten check digits fits")
}

fn luhn(number: &str) -> bool {
    let sum: u32 = number
        .bytes()
        .rev()
        .zip(0..)
        .map(|(byte, place)| {
            let digit = u32::from(byte - b'0') * (1 + place % 2);
            digit / 10 + digit % 10
        })
        .sum();
    sum.is_multiple_of(10)
}

/// A number in one of the spellings that are read.
fn spelling(random: &mut Random, card: &str) -> String {
    let separator = *random.pick(&["", "", " ", "-"]);
    let groups: Vec<&str> = (0..4).map(|at| &card[at * 4..at * 4 + 4]).collect();
    groups.join(separator)
}

fn write_row(random: &mut Random, draft: &Draft, csv: &mut String) {
    let content = &draft.content;
    let mut transaction = draft.transaction.clone();
    let mut amount = match content.currency {
        "JPY" => content.amount.to_string(),
        _ => format!("{}.{:02}", content.amount / 100, content.amount % 100),
    };
    let mut card = spelling(random, &content.card);
    let mut currency = content.currency;
    let mut original = content.original.clone().unwrap_or_default();
    let mut end = "\n";
    match draft.fault {
        None => {}
        Some(Fault::AmountSign) => amount.insert(0, '-'),
        Some(Fault::CardChecksum) => {
            let last = card.pop().unwrap();
            card.push(if last == '9' {
                '0'
            } else {
                char::from(last as u8 + 1)
            });
        }
        Some(Fault::TransactionId) => transaction.push('#'),
        Some(Fault::Currency) => currency = "QQQ",
        Some(Fault::SelfReference) => original.clone_from(&transaction),
        Some(Fault::Fields) => end = ",more\n",
    }
    let seconds = content.seconds.map(|s| s.to_string()).unwrap_or_default();
    write!(
        csv,
        "{transaction},{amount},{},{card},{seconds},{currency},{},{original},{},{},{}{end}",
        draft.merchant,
        content.kind,
        content.terminal.as_deref().unwrap_or_default(),
        content.country.unwrap_or_default(),
        content.mcc.unwrap_or_default(),
    )
    .unwrap();
}
