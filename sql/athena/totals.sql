-- Accepted rows by type and currency: how many, and how much. The state says the same, to the cent.
SELECT transaction_type, currency, count(*) AS transactions, sum(amount) AS amount
FROM classed_rows
WHERE class = 'accepted'
GROUP BY transaction_type, currency
