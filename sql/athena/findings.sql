-- What rules found, each once: a finding that came to the history again has the id that it had.
-- `is_shadow`: of rules that are only tried. The leading rule is the first of `hits`.
SELECT
  id, is_shadow, rule_set, rule, severity, score, event_id, merchant_id, transaction_id, hits,
  uploaded_at, arrival, "date"
FROM (
  SELECT
    id,
    type = 'anomaly.shadowed' AS is_shadow,
    json_extract_scalar(data, '$.rule_set') AS rule_set,
    json_extract_scalar(data, '$.hits[0].rule') AS rule,
    json_extract_scalar(data, '$.severity') AS severity,
    CAST(json_extract_scalar(data, '$.score') AS bigint) AS score,
    json_extract_scalar(data, '$.event_id') AS event_id,
    json_extract_scalar(data, '$.merchant_id') AS merchant_id,
    json_extract_scalar(data, '$.transaction_id') AS transaction_id,
    json_format(json_extract(data, '$.hits')) AS hits,
    time AS uploaded_at,
    arrival,
    "date",
    row_number() OVER (
      PARTITION BY id
      ORDER BY lpad(position_sequence, 129, '0'), position_subsequence
    ) AS sending
  FROM events_once
  WHERE type IN ('anomaly.flagged', 'anomaly.shadowed')
) AS sendings
WHERE sending = 1
