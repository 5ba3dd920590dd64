-- Each row of a file once: a row that came to the history again has the id that it had. Sequence
-- numbers have up to 129 digits, so they are compared as texts of one length.
SELECT
  id, type, upload_id, record, line, merchant_id, transaction_id, amount, currency,
  transaction_type, timestamp_text, time_source, card_last4, card_brand, card_fingerprint,
  card_key_id, original_transaction_id, terminal_id, country, mcc, violations, uploaded_at, arrival,
  position_bucket, position_sequence, position_subsequence, position_order, "date"
FROM (
  SELECT
    id,
    type,
    split_part(id, ':', 1) AS upload_id,
    CAST(json_extract_scalar(data, '$.record') AS bigint) AS record,
    CAST(json_extract_scalar(data, '$.line') AS bigint) AS line,
    json_extract_scalar(data, '$.merchant_id') AS merchant_id,
    json_extract_scalar(data, '$.transaction_id') AS transaction_id,
    CAST(json_extract_scalar(data, '$.amount') AS decimal(19, 4)) AS amount,
    json_extract_scalar(data, '$.currency') AS currency,
    json_extract_scalar(data, '$.type') AS transaction_type,
    json_extract_scalar(data, '$.timestamp') AS timestamp_text,
    json_extract_scalar(data, '$.time_source') AS time_source,
    json_extract_scalar(data, '$.card.last4') AS card_last4,
    json_extract_scalar(data, '$.card.brand') AS card_brand,
    json_extract_scalar(data, '$.card.fingerprint') AS card_fingerprint,
    json_extract_scalar(data, '$.card.key_id') AS card_key_id,
    json_extract_scalar(data, '$.original_transaction_id') AS original_transaction_id,
    json_extract_scalar(data, '$.terminal_id') AS terminal_id,
    json_extract_scalar(data, '$.country') AS country,
    json_extract_scalar(data, '$.mcc') AS mcc,
    json_format(json_extract(data, '$.violations')) AS violations,
    time AS uploaded_at,
    arrival,
    position_bucket,
    position_sequence,
    position_subsequence,
    lpad(position_sequence, 129, '0') AS position_order,
    "date",
    row_number() OVER (
      PARTITION BY id
      ORDER BY lpad(position_sequence, 129, '0'), position_subsequence
    ) AS sending
  FROM events_once
  WHERE type IN ('transaction.accepted', 'transaction.disputed', 'row.rejected')
) AS sendings
WHERE sending = 1
