-- Each row with its class. The first valid row of a transaction, by position, is accepted. A later
-- one is a duplicate if it says the same: amount, currency, type, card, original transaction,
-- terminal, country, category, and the time where the file gave it in both. Else it is a conflict.
-- Cards are the same by fingerprint; where two were made under different keys, by last digits and
-- brand.
SELECT
  id, upload_id, record, line, merchant_id, transaction_id, amount, currency, transaction_type,
  timestamp_text, time_source, card_last4, card_brand, card_fingerprint, card_key_id,
  original_transaction_id, terminal_id, country, mcc, uploaded_at, arrival,
  position_bucket, position_sequence, position_subsequence, "date",
  CASE
    WHEN id = first_id THEN 'accepted'
    WHEN amount = first_amount
      AND currency = first_currency
      AND transaction_type = first_transaction_type
      AND CASE
        WHEN card_key_id = first_card_key_id THEN card_fingerprint = first_card_fingerprint
        ELSE card_last4 = first_card_last4 AND card_brand = first_card_brand
      END
      AND original_transaction_id IS NOT DISTINCT FROM first_original_transaction_id
      AND terminal_id IS NOT DISTINCT FROM first_terminal_id
      AND country IS NOT DISTINCT FROM first_country
      AND mcc IS NOT DISTINCT FROM first_mcc
      AND (
        time_source <> 'file'
        OR first_time_source <> 'file'
        OR timestamp_text = first_timestamp_text
      )
    THEN 'duplicate'
    ELSE 'conflict'
  END AS class
FROM (
  SELECT
  id, upload_id, record, line, merchant_id, transaction_id, amount, currency, transaction_type,
  timestamp_text, time_source, card_last4, card_brand, card_fingerprint, card_key_id,
  original_transaction_id, terminal_id, country, mcc, uploaded_at, arrival,
  position_bucket, position_sequence, position_subsequence, "date",
    first_value(id) OVER (
      PARTITION BY merchant_id, transaction_id ORDER BY position_order, position_subsequence
    ) AS first_id,
    first_value(amount) OVER (
      PARTITION BY merchant_id, transaction_id ORDER BY position_order, position_subsequence
    ) AS first_amount,
    first_value(currency) OVER (
      PARTITION BY merchant_id, transaction_id ORDER BY position_order, position_subsequence
    ) AS first_currency,
    first_value(transaction_type) OVER (
      PARTITION BY merchant_id, transaction_id ORDER BY position_order, position_subsequence
    ) AS first_transaction_type,
    first_value(timestamp_text) OVER (
      PARTITION BY merchant_id, transaction_id ORDER BY position_order, position_subsequence
    ) AS first_timestamp_text,
    first_value(time_source) OVER (
      PARTITION BY merchant_id, transaction_id ORDER BY position_order, position_subsequence
    ) AS first_time_source,
    first_value(card_fingerprint) OVER (
      PARTITION BY merchant_id, transaction_id ORDER BY position_order, position_subsequence
    ) AS first_card_fingerprint,
    first_value(card_key_id) OVER (
      PARTITION BY merchant_id, transaction_id ORDER BY position_order, position_subsequence
    ) AS first_card_key_id,
    first_value(card_last4) OVER (
      PARTITION BY merchant_id, transaction_id ORDER BY position_order, position_subsequence
    ) AS first_card_last4,
    first_value(card_brand) OVER (
      PARTITION BY merchant_id, transaction_id ORDER BY position_order, position_subsequence
    ) AS first_card_brand,
    first_value(original_transaction_id) OVER (
      PARTITION BY merchant_id, transaction_id ORDER BY position_order, position_subsequence
    ) AS first_original_transaction_id,
    first_value(terminal_id) OVER (
      PARTITION BY merchant_id, transaction_id ORDER BY position_order, position_subsequence
    ) AS first_terminal_id,
    first_value(country) OVER (
      PARTITION BY merchant_id, transaction_id ORDER BY position_order, position_subsequence
    ) AS first_country,
    first_value(mcc) OVER (
      PARTITION BY merchant_id, transaction_id ORDER BY position_order, position_subsequence
    ) AS first_mcc
  FROM rows_once
  WHERE type <> 'row.rejected'
) AS valid
UNION ALL
SELECT
  id, upload_id, record, line, merchant_id, transaction_id, amount, currency, transaction_type,
  timestamp_text, time_source, card_last4, card_brand, card_fingerprint, card_key_id,
  original_transaction_id, terminal_id, country, mcc, uploaded_at, arrival,
  position_bucket, position_sequence, position_subsequence, "date",
  'rejected' AS class
FROM rows_once
WHERE type = 'row.rejected'
