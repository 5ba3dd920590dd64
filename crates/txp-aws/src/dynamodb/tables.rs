//! What the tables are: names, keys, indexes, streams. The deployment creates them so, and tests
//! create theirs from here.
//!
//! Every key attribute is a text but for the numbers that say so; every table is paid per request.

/// The name of a table is `{base}-{env}`; a program finds it in an environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// The name before `-{env}`.
    pub base: &'static str,
    /// The environment variable that holds the whole name.
    pub variable: &'static str,
    /// The hash key.
    pub hash: Key,
    /// The range key.
    pub range: Option<Key>,
    /// The indexes.
    pub indexes: &'static [Index],
    /// Whether the table has a stream, of new and old images.
    pub has_stream: bool,
}

/// An attribute that is a part of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// The attribute.
    pub name: &'static str,
    /// A number; else a text.
    pub is_number: bool,
}

/// A global secondary index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: &'static str,
    /// The hash key; items without it are not in the index.
    pub hash: Key,
    /// The range key.
    pub range: Key,
    /// Whether the index has all attributes; else it has the keys only.
    pub has_all: bool,
}

const fn text(name: &'static str) -> Key {
    Key {
        name,
        is_number: false,
    }
}

const fn number(name: &'static str) -> Key {
    Key {
        name,
        is_number: true,
    }
}

/// Transactions. All merchants of one transaction id are one query.
pub const TRANSACTIONS: Table = Table {
    base: "transactions",
    variable: "TRANSACTIONS_TABLE",
    hash: text("transaction_id"),
    range: Some(text("merchant_id")),
    indexes: &[],
    has_stream: true,
};

/// The index of [`UPLOADS`] by client: upload ids are in the order of time.
pub const BY_CLIENT: &str = "by_client";
/// The sparse index of [`UPLOADS`] by what is due: leases and links.
pub const BY_DUE: &str = "by_due";

/// Uploads, three items each: see [`super::uploads`].
pub const UPLOADS: Table = Table {
    base: "uploads",
    variable: "UPLOADS_TABLE",
    hash: text("upload_id"),
    range: Some(text("part")),
    indexes: &[
        Index {
            name: BY_CLIENT,
            hash: text("client_id"),
            range: text("upload_id"),
            has_all: false,
        },
        Index {
            name: BY_DUE,
            hash: text("due"),
            range: number("due_at"),
            has_all: false,
        },
    ],
    has_stream: false,
};

/// What detection remembers: an item per card and currency.
pub const PROFILES: Table = Table {
    base: "profiles",
    variable: "PROFILES_TABLE",
    hash: text("card_fingerprint"),
    range: Some(text("currency")),
    indexes: &[],
    has_stream: false,
};

/// The sparse index of [`ALERTS`] by what waits, and since or until when: the gathered alerts of a
/// merchant and rule, alerts to be sent by themselves, windows whose digest will be due, and messages
/// to webhooks.
pub const BY_WAITING: &str = "by_waiting";

/// The sparse index of [`ALERTS`] by the age of messages to webhooks that wait: trying one again moves
/// it in [`BY_WAITING`] and not here.
pub const BY_AGE: &str = "by_age";

/// Alerts: an item per finding, one per cooldown, one per message to webhooks, the rules that judge,
/// and what nobody is to be told for a while.
pub const ALERTS: Table = Table {
    base: "alerts",
    variable: "ALERTS_TABLE",
    hash: text("alert_id"),
    range: None,
    indexes: &[
        Index {
            name: BY_WAITING,
            hash: text("waiting"),
            range: number("waiting_since"),
            has_all: true,
        },
        Index {
            name: BY_AGE,
            hash: text("waiting"),
            range: text("at"),
            has_all: false,
        },
    ],
    has_stream: false,
};

/// Clients: an item per API key of the gateway, by the key's id. See [`super::clients`].
pub const CLIENTS: Table = Table {
    base: "clients",
    variable: "CLIENTS_TABLE",
    hash: text("api_key_id"),
    range: None,
    indexes: &[],
    has_stream: false,
};

/// The attribute by which items of [`UPLOADS`] age, where they have it: Unix seconds. The
/// deployment switches time to live on for it.
pub const EXPIRES_AT_S: &str = "expires_at_s";

/// All of them.
pub const ALL: [Table; 5] = [TRANSACTIONS, UPLOADS, PROFILES, ALERTS, CLIENTS];
