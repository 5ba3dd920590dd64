-- Each event once: an event can lie in the archive twice, with one position.
SELECT
  id, type, source, subject, time, dataschema, data, arrival,
  position_bucket, position_sequence, position_subsequence, "date"
FROM (
  SELECT
    id, type, source, subject, time, dataschema, data, arrival, "date",
    position.bucket AS position_bucket,
    position.sequence AS position_sequence,
    position.subsequence AS position_subsequence,
    row_number() OVER (
      PARTITION BY position.bucket, position.sequence, position.subsequence
      ORDER BY arrival, "date"
    ) AS copy
  FROM events
) AS copies
WHERE copy = 1
