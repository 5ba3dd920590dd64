-- The history for DuckDB: an archive, or what `txp events` has written, as views.
--
--   duckdb -c "SET VARIABLE history = 'archive/date=*/*.ndjson.gz'" -c ".read sql/duckdb/views.sql"
--
-- `history` names lines: objects of the archive (here or in a bucket), or files of
-- `txp events --format ndjson`, packed with gzip or zstd or not. Each view stands on the one before:
--
--   events        every line, as it was recorded; one event may lie there more than once
--   events_once   each event once: repeats dropped by position
--   rows_once     each row of a file once: rows that came to the history again dropped by id
--   classed_rows  each row with its class: accepted, duplicate, conflict or rejected
--   totals        accepted rows by type and currency: how many, and how much
--   findings      what rules found, each once; `is_shadow`: of rules that are only tried
--
-- What a class is: the first valid row of a transaction, by position, is accepted. A later one is a
-- duplicate if it says the same: amount, currency, type, card, original transaction, terminal,
-- country, category, and the time where the file gave it in both. Else it is a conflict. Cards are
-- the same by fingerprint; where two were made under different keys, by last digits and brand.

CREATE OR REPLACE VIEW events AS
SELECT
  id,
  type,
  source,
  subject,
  CAST(time AS TIMESTAMPTZ) AS time,
  dataschema,
  data,
  position.bucket AS position_bucket,
  position.sequence AS position_sequence,
  position.subsequence AS position_subsequence,
  CAST(arrival AS TIMESTAMPTZ) AS arrival
FROM read_ndjson(
  getvariable('history'),
  columns = {
    id: 'VARCHAR',
    type: 'VARCHAR',
    source: 'VARCHAR',
    subject: 'VARCHAR',
    time: 'VARCHAR',
    dataschema: 'VARCHAR',
    data: 'JSON',
    position: 'STRUCT(bucket UTINYINT, sequence VARCHAR, subsequence UBIGINT)',
    arrival: 'VARCHAR'
  },
  hive_partitioning = false
);

CREATE OR REPLACE VIEW events_once AS
SELECT *
FROM events
QUALIFY row_number() OVER (
  PARTITION BY position_bucket, position_sequence, position_subsequence
  ORDER BY arrival
) = 1;

-- Sequence numbers have up to 129 digits: they are compared as texts of one length.
CREATE OR REPLACE VIEW rows_once AS
SELECT
  id,
  type,
  split_part(id, ':', 1) AS upload_id,
  CAST(data ->> '$.record' AS UBIGINT) AS record,
  CAST(data ->> '$.line' AS UBIGINT) AS line,
  data ->> '$.merchant_id' AS merchant_id,
  data ->> '$.transaction_id' AS transaction_id,
  CAST(data ->> '$.amount' AS DECIMAL(19, 4)) AS amount,
  data ->> '$.currency' AS currency,
  data ->> '$.type' AS transaction_type,
  CAST(data ->> '$.timestamp' AS TIMESTAMPTZ) AS timestamp,
  data ->> '$.timestamp' AS timestamp_text,
  data ->> '$.time_source' AS time_source,
  data ->> '$.card.last4' AS card_last4,
  data ->> '$.card.brand' AS card_brand,
  data ->> '$.card.fingerprint' AS card_fingerprint,
  data ->> '$.card.key_id' AS card_key_id,
  data ->> '$.original_transaction_id' AS original_transaction_id,
  data ->> '$.terminal_id' AS terminal_id,
  data ->> '$.country' AS country,
  data ->> '$.mcc' AS mcc,
  data -> '$.violations' AS violations,
  time AS uploaded_at,
  arrival,
  position_bucket,
  position_sequence,
  position_subsequence,
  lpad(position_sequence, 129, '0') AS position_order
FROM events_once
WHERE type IN ('transaction.accepted', 'transaction.disputed', 'row.rejected')
QUALIFY row_number() OVER (
  PARTITION BY id
  ORDER BY lpad(position_sequence, 129, '0'), position_subsequence
) = 1;

CREATE OR REPLACE VIEW classed_rows AS
WITH valid AS (
  SELECT
    *,
    first_value(id) OVER standing AS first_id,
    first_value(amount) OVER standing AS first_amount,
    first_value(currency) OVER standing AS first_currency,
    first_value(transaction_type) OVER standing AS first_type,
    first_value(timestamp_text) OVER standing AS first_timestamp,
    first_value(time_source) OVER standing AS first_time_source,
    first_value(card_fingerprint) OVER standing AS first_fingerprint,
    first_value(card_key_id) OVER standing AS first_key_id,
    first_value(card_last4) OVER standing AS first_last4,
    first_value(card_brand) OVER standing AS first_brand,
    first_value(original_transaction_id) OVER standing AS first_original,
    first_value(terminal_id) OVER standing AS first_terminal,
    first_value(country) OVER standing AS first_country,
    first_value(mcc) OVER standing AS first_mcc
  FROM rows_once
  WHERE type <> 'row.rejected'
  WINDOW standing AS (
    PARTITION BY merchant_id, transaction_id
    ORDER BY position_order, position_subsequence
  )
)
SELECT
  id, upload_id, record, line, merchant_id, transaction_id, amount, currency, transaction_type,
  timestamp, time_source, card_last4, card_brand, card_fingerprint, card_key_id,
  original_transaction_id, terminal_id, country, mcc, uploaded_at, arrival,
  position_bucket, position_sequence, position_subsequence,
  CASE
    WHEN id = first_id THEN 'accepted'
    WHEN amount = first_amount
      AND currency = first_currency
      AND transaction_type = first_type
      AND CASE
        WHEN card_key_id = first_key_id THEN card_fingerprint = first_fingerprint
        ELSE card_last4 = first_last4 AND card_brand = first_brand
      END
      AND original_transaction_id IS NOT DISTINCT FROM first_original
      AND terminal_id IS NOT DISTINCT FROM first_terminal
      AND country IS NOT DISTINCT FROM first_country
      AND mcc IS NOT DISTINCT FROM first_mcc
      AND (time_source <> 'file' OR first_time_source <> 'file' OR timestamp_text = first_timestamp)
    THEN 'duplicate'
    ELSE 'conflict'
  END AS class
FROM valid
UNION ALL
SELECT
  id, upload_id, record, line, merchant_id, transaction_id, amount, currency, transaction_type,
  timestamp, time_source, card_last4, card_brand, card_fingerprint, card_key_id,
  original_transaction_id, terminal_id, country, mcc, uploaded_at, arrival,
  position_bucket, position_sequence, position_subsequence,
  'rejected' AS class
FROM rows_once
WHERE type = 'row.rejected';

CREATE OR REPLACE VIEW totals AS
SELECT transaction_type, currency, count(*) AS transactions, sum(amount) AS amount
FROM classed_rows
WHERE class = 'accepted'
GROUP BY transaction_type, currency;

-- The leading rule is the first of `hits`.
CREATE OR REPLACE VIEW findings AS
SELECT
  id,
  type = 'anomaly.shadowed' AS is_shadow,
  data ->> '$.rule_set' AS rule_set,
  data ->> '$.hits[0].rule' AS rule,
  data ->> '$.severity' AS severity,
  CAST(data ->> '$.score' AS UBIGINT) AS score,
  data ->> '$.event_id' AS event_id,
  data ->> '$.merchant_id' AS merchant_id,
  data ->> '$.transaction_id' AS transaction_id,
  data -> '$.hits' AS hits,
  time AS uploaded_at,
  arrival
FROM events_once
WHERE type IN ('anomaly.flagged', 'anomaly.shadowed')
QUALIFY row_number() OVER (
  PARTITION BY id
  ORDER BY lpad(position_sequence, 129, '0'), position_subsequence
) = 1;
